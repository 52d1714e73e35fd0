import { and, eq, gte, inArray, lt, type SQL, sql } from 'drizzle-orm'
import { afterCommit, type Db } from '#db/client'
import { deadLetters } from '#db/schema/queue'
import type { Id } from '#lib/id'
import { bellOf } from './bell'
import { digitsOf, eventIdOf } from './ids'
import { takeTurns } from './publish'

/** Which dead letters; all that is given must hold. */
export interface DeadLetterFilter {
  ids?: readonly Id<'dlq'>[]
  type?: string
  /** When they died. */
  from?: Date
  /** Exclusive. */
  to?: Date
}

export interface Redriven {
  /** Letters that the filter chose. */
  matched: number
  /** The events that wait again. */
  events: Id<'evt'>[]
  /** Letters that stay because another event with their dedupe key waits or runs. */
  kept: number
}

const CHUNK = 500

/**
 * Lets events run again that had died: under the same id, with their errors kept and all attempts
 * anew. Doing it twice is doing it once, since the letter is gone then. In an ordering they go to the
 * end: those behind them were let go when they died.
 *
 * @param options.dryRun only counts
 */
export async function redrive(
  db: Db,
  filter: DeadLetterFilter,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<Redriven> {
  const matched = await db.$count(deadLetters, whichLetters(filter))
  const redriven: Redriven = { matched, events: [], kept: 0 }
  if (dryRun) return redriven
  const letters = await db
    .select({ id: deadLetters.id })
    .from(deadLetters)
    .where(whichLetters(filter))
    .orderBy(deadLetters.createdAt, deadLetters.id)
  for (let from = 0; from < letters.length; from += CHUNK) {
    const ids = letters.slice(from, from + CHUNK).map(({ id }) => id)
    const { events, kept } = await db.transaction((tx) => redriveChunk(tx, ids))
    redriven.events.push(...events)
    redriven.kept += kept
  }
  return redriven
}

export function whichLetters({ ids, type, from, to }: DeadLetterFilter): SQL | undefined {
  return and(
    ids && inArray(deadLetters.id, [...ids]),
    type === undefined ? undefined : eq(deadLetters.type, type),
    from && gte(deadLetters.createdAt, from),
    to && lt(deadLetters.createdAt, to),
  )
}

async function redriveChunk(tx: Db, ids: readonly Id<'dlq'>[]) {
  const chosen = await tx
    .select({ type: deadLetters.type, key: deadLetters.orderingKey })
    .from(deadLetters)
    .where(inArray(deadLetters.id, [...ids]))
    .orderBy(deadLetters.id)
    .for('update')
  const keys = [...new Set(chosen.flatMap(({ key }) => key ?? []))].sort()
  await takeTurns(tx, keys)
  const added = await tx.execute<{ id: string }>(sql`
    with added as (
      insert into events (id, type, payload, rank, ordering_key, dedupe_key, dedupe_window_ms, errors,
        created_at, run_at)
      select id, type, payload, -priority, ordering_key, dedupe_key, dedupe_window_ms, errors, first_at,
        clock_timestamp()
      from dead_letters where id = any(${sql.param(ids.map(digitsOf))}::uuid[])
      order by created_at, id
      on conflict do nothing
      returning id, type
    ), counted as (
      insert into event_counts (type, waiting) select type, count(*) from added group by type
    )
    delete from dead_letters using added where dead_letters.id = added.id returning added.id`)
  for (const type of new Set(chosen.map((letter) => letter.type))) {
    afterCommit(tx, (client) => bellOf(client).ring(type))
  }
  return { events: added.map(({ id }) => eventIdOf(id)), kept: chosen.length - added.length }
}
