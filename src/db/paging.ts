import { type SQL, sql } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { Cursor } from '#lib/page'

/** The rows after a cursor in the order `(created_at desc, id desc)`; all rows without one. */
export function olderThan(
  table: { createdAt: PgColumn; id: PgColumn },
  after: Cursor | null,
): SQL | undefined {
  if (!after) return undefined
  const id = sql.param(after.id, table.id)
  return sql`(${table.createdAt}, ${table.id}) < (${after.createdAt.toISOString()}::timestamptz, ${id})`
}
