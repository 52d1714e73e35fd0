import type { FieldError } from '#lib/errors'
import { InvalidInput } from './errors'

const NUL = '\u0000'

/** Where a value holds U+0000, as JSON pointers (RFC 6901). */
function nulPointers(value: unknown, pointer = ''): string[] {
  if (typeof value === 'string') return value.includes(NUL) ? [pointer] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, item]) =>
    nulPointers(item, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  )
}

/** Refuses the one character that Postgres cannot hold in a text (SQLSTATE 22021), wherever it stands. */
export function requireStorable(input: { params: unknown; query: unknown; body: unknown }): void {
  const parts = [
    ['path', input.params],
    ['query', input.query],
    ['body', input.body],
  ] as const
  const errors = parts.flatMap(([place, value]): FieldError[] =>
    nulPointers(value).map((pointer) => ({
      in: place,
      pointer,
      message: 'must not contain the character U+0000',
    })),
  )
  if (errors.length > 0) throw new InvalidInput(errors)
}
