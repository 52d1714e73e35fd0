import { sql as fragment } from 'drizzle-orm'
import type { Db, Sql } from '#db/client'

/**
 * How many events of each type are not over, without looking at them: every statement that adds or
 * ends some writes by how many, in its own transaction, and the sum of these rows is the number. One
 * row that all change would make publishers wait for each other.
 */

/** From `gone`, rows of `events` that end; part of the statement that ends them. */
export const COUNT_OUT =
  'insert into event_counts (type, waiting) select type, -count(*) from gone group by type'

/** Puts one row in the place of many; who reads meanwhile sees the ones or the other. */
export async function mergeCounts(sql: Sql): Promise<void> {
  await sql`
    with many as (
      delete from event_counts where (select count(*) > count(distinct type) from event_counts)
      returning type, waiting, deduped
    )
    insert into event_counts (type, waiting, deduped)
    select type, sum(waiting), sum(deduped) from many group by type`
}

/** The events of a type that wait, run or are put off. */
export async function countUnfinished(db: Db, type: string): Promise<number> {
  const [row] = await db.execute<{ count: number }>(
    fragment`select coalesce(sum(waiting), 0)::int as count from event_counts where type = ${type}`,
  )
  return row?.count ?? 0
}
