import { sql } from 'drizzle-orm'
import { afterCommit, type Db, rawClient } from '#db/client'
import type { Id } from '#lib/id'
import { bellOf } from './bell'
import { COUNT_OUT } from './counts'
import { digitsOf } from './ids'
import { freeSuccessors } from './ordering'
import { toHistory } from './settle'

/**
 * Takes an event that does not run off the queue, for good; it stays in the history as cancelled.
 *
 * @returns `cancelled`, `running` (too late), or `unknown`: done, dead or never there
 */
export async function cancel(
  db: Db,
  eventId: Id<'evt'>,
): Promise<'cancelled' | 'running' | 'unknown'> {
  return db.transaction(async (tx) => {
    const raw = rawClient(tx)
    const [event] = await raw.unsafe<{ running: boolean; ordering_key: string | null }[]>(
      `select claim_token is not null as running, ordering_key from events
       where id = $1 and done_until is null for update`,
      [digitsOf(eventId)],
    )
    if (!event) return 'unknown'
    if (event.running) return 'running'
    await raw.unsafe(
      `with gone as (delete from events where id = $1 returning *), counted as (${COUNT_OUT})
       ${toHistory('cancelled')}`,
      [digitsOf(eventId)],
    )
    const freed = await freeSuccessors(raw, event.ordering_key === null ? [] : [event.ordering_key])
    afterCommit(tx, (client) => {
      for (const type of freed) bellOf(client).ring(type)
    })
    return 'cancelled'
  })
}

/**
 * Drops the days of the history that ended before `olderThan`, as whole partitions.
 *
 * @param options.dryRun only says which
 * @returns the days, `YYYY-MM-DD`, oldest first
 */
export async function cleanup(
  db: Db,
  olderThan: Date,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<string[]> {
  const dropped = await db.execute<{ name: string }>(
    sql`select drop_event_history(${olderThan.toISOString()}::timestamptz, ${dryRun}) as name`,
  )
  return dropped.map(({ name }) => name.replace(/^.*_(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3'))
}
