import {
  Kind,
  type SchemaOptions,
  type TProperties,
  type TSchema,
  type TUnsafe,
  Type as t,
} from '@sinclair/typebox'
import { AppError } from '#lib/errors'
import { type IdPrefix, parseId } from '#lib/id'
import { decodeCursor, type PageRequest } from '#lib/page'

/** An object that takes these properties and no others: a misspelt one is an error, not ignored. */
export const strict = <P extends TProperties>(properties: P, options: SchemaOptions = {}) =>
  t.Object(properties, { ...options, additionalProperties: false })

/** For names that people give: something visible in it, and nothing that breaks a line. */
export const NAME_PATTERN = '^(?=.*\\S)[^\\u0000-\\u001f\\u007f]+$'

/** One of these strings. Elysia's own `UnionEnum` would fill in the first one where none is given. */
export const oneOf = <const T extends readonly string[]>(values: T, options: SchemaOptions = {}) =>
  t.Unsafe<T[number]>({
    ...options,
    [Kind]: 'UnionEnum',
    type: 'string',
    enum: [...values],
  }) as TUnsafe<T[number]>

export const PageQuery = {
  limit: t.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Items per page.' }),
  cursor: t.Optional(t.String({ description: '`nextCursor` of the page before.' })),
}

export const pageOf = <T extends TSchema>(item: T) =>
  t.Object({
    items: t.Array(item),
    nextCursor: t.Union([t.String(), t.Null()], { description: 'Null on the last page.' }),
  })

class CursorMalformed extends AppError {
  readonly kind = 'malformed'
  readonly code = 'cursor_malformed'
  constructor() {
    super('The cursor is not one of ours: send `nextCursor` of the page before, or none.', {
      errors: [{ in: 'query', pointer: '/cursor', message: 'is not a cursor' }],
    })
  }
}

/** The page asked for; `prefix` is that of the listed resource's ids. */
export function pageRequest(
  query: { limit: number; cursor?: string },
  prefix: IdPrefix,
): PageRequest {
  if (query.cursor === undefined) return { limit: query.limit, after: null }
  const after = decodeCursor(query.cursor)
  if (!after || !parseId(prefix, after.id)) throw new CursorMalformed()
  return { limit: query.limit, after }
}
