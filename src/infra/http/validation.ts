import type { FieldError } from '#lib/errors'

interface Mistake {
  path?: string
  message?: string
  summary?: string
  schema?: { description?: string; pattern?: string }
}

const PART: Record<string, FieldError['in']> = {
  body: 'body',
  query: 'query',
  params: 'path',
  headers: 'header',
}

/**
 * TypeBox's mistakes as field errors: one per place, the first being the most telling. Values are
 * left out on purpose, since they may be passwords.
 */
export function toFieldErrors(part: string | undefined, mistakes: Iterable<Mistake>): FieldError[] {
  const found = new Map<string, FieldError>()
  for (const { path = '', message = 'is not valid', schema } of mistakes) {
    const pointer = path === '/' ? '' : path
    if (found.has(pointer)) continue
    const hint = schema?.pattern && schema.description ? ` (${schema.description})` : ''
    found.set(pointer, { in: PART[part ?? 'body'] ?? 'body', pointer, message: message + hint })
  }
  return [...found.values()]
}
