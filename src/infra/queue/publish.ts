import { sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { systemClock } from '#infra/clock'
import { type Id, newId } from '#lib/id'
import type { EventDefinition } from './event'

/** What wakes the workers; delivered when the transaction commits. */
export const QUEUE_CHANNEL = 'veil_queue'

export interface PublishOptions {
  /** Milliseconds before which nobody takes the event, by the database's clock. */
  delayMs?: number
  /** While an event of this type and key waits or runs, another one is not added. */
  dedupeKey?: string
  /** Higher goes first; −32,768 to 32,767, 0 unless stated. */
  priority?: number
}

/** One event of a bulk: its payload and its own options. */
export interface Publication<T> extends PublishOptions {
  payload: T
}

/**
 * Adds an event in the caller's transaction: it exists when and only when the transaction commits.
 *
 * @returns its id, or null where the dedupe key was taken
 * @throws ZodError when the payload does not have the event's shape
 */
export async function publish<T>(
  db: Db,
  event: EventDefinition<T>,
  payload: T,
  options: PublishOptions = {},
): Promise<Id<'evt'> | null> {
  const [id] = await publishMany(db, event, [{ payload, ...options }])
  return id ?? null
}

/**
 * Adds many events of one type in one statement. Ids are made here; order within a millisecond is open.
 *
 * @returns the ids of those added: an event whose dedupe key was taken has none
 * @throws ZodError when a payload does not have the event's shape; then none is added
 */
export async function publishMany<T>(
  db: Db,
  event: EventDefinition<T>,
  publications: readonly Publication<T>[],
): Promise<Id<'evt'>[]> {
  if (publications.length === 0) return []
  const rows = publications.map((publication) => ({
    id: newId('evt', systemClock).slice('evt_'.length),
    payload: event.schema.parse(publication.payload),
    priority: publication.priority ?? 0,
    dedupe_key: publication.dedupeKey ?? null,
    delay_ms: publication.delayMs ?? 0,
  }))
  // Postgres folds equal notifications of a transaction into one, so one is sent per commit.
  const added = await db.execute<{ id: string }>(sql`
    with added as (
      insert into events (id, type, payload, priority, dedupe_key, run_at)
      select id, ${event.name}, payload, priority, dedupe_key,
        clock_timestamp() + delay_ms * interval '1 millisecond'
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row
        (id uuid, payload jsonb, priority smallint, dedupe_key text, delay_ms double precision)
      order by dedupe_key, id
      on conflict (type, dedupe_key) do nothing
      returning id
    )
    select id, pg_notify(${QUEUE_CHANNEL}, '') from added`)
  return added.map((row): Id<'evt'> => `evt_${row.id.replaceAll('-', '')}`)
}
