/** A page of a list ordered by `(created_at desc, id desc)`. */
export interface Page<T> {
  items: T[]
  /** Hand it back as `cursor` for the next page; null on the last one. */
  nextCursor: string | null
}

export interface Cursor {
  createdAt: Date
  id: string
}

export interface PageRequest {
  limit: number
  after: Cursor | null
}

const encode = (cursor: Cursor): string =>
  Buffer.from(`${cursor.createdAt.toISOString()}|${cursor.id}`).toString('base64url')

/** As we write it. `Date` reads years that Postgres refuses: 0 and those of more than four digits. */
const INSTANT = /^(?!0000)\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

/** Null when the text is no cursor of ours. */
export function decodeCursor(text: string): Cursor | null {
  const [time, id, rest] = Buffer.from(text, 'base64url').toString('utf8').split('|')
  if (time === undefined || !id || rest !== undefined) return null
  if (!INSTANT.test(time)) return null
  const createdAt = new Date(time)
  return Number.isNaN(createdAt.getTime()) ? null : { createdAt, id }
}

/**
 * Cuts `limit + 1` rows, read in order, down to a page that knows whether it is the last.
 *
 * @param goOnAfter where looking ended, when it did before the end of the list
 */
export function toPage<T extends Cursor>(rows: T[], limit: number, goOnAfter?: Cursor): Page<T> {
  const items = rows.slice(0, limit)
  const last = rows.length > limit ? items.at(-1) : goOnAfter
  return { items, nextCursor: last ? encode(last) : null }
}
