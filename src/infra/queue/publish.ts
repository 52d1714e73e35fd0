import { sql } from 'drizzle-orm'
import { afterCommit, type Db, rawClient } from '#db/client'
import { systemClock } from '#infra/clock'
import { type Id, newId } from '#lib/id'
import { bellOf } from './bell'
import type { EventDefinition } from './event'
import { eventIdOf } from './ids'

export interface PublishOptions {
  /** Milliseconds before which nobody takes the event, by the database's clock. */
  delayMs?: number
  /** While an event of this type and key waits or runs, another one is not added. */
  dedupeKey?: string
  /** The dedupe key stays taken for so many milliseconds after the event is done. */
  dedupeWindowMs?: number
  /**
   * Events of one key, of whatever types, run one after another in the order of publication: one that
   * is put off holds those behind it, one that dies lets them go. Transactions that publish for the
   * same key take turns; one that publishes for several keys should do so in a fixed order.
   */
  orderingKey?: string
  /** Higher goes first; −32,767 to 32,767, 0 unless stated. */
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
 * Adds many events of one type in one statement.
 *
 * @returns the ids of those added: an event whose dedupe key was taken has none
 * @throws ZodError when a payload does not have the event's shape; then none is added
 */
export async function publishMany<T>(
  db: Db,
  event: EventDefinition<T>,
  publications: readonly Publication<T>[],
): Promise<Id<'evt'>[]> {
  const rows = firstOfEachKey(publications).map((publication) => toRow(event, publication))
  if (rows.length === 0) return []
  const keys = [...new Set(rows.flatMap((row) => row.ordering_key ?? []))].sort()
  const bulk = { type: event.name, rows, offered: publications.length }
  if (keys.length === 0) return insertEvents(db, bulk)
  return db.transaction(async (tx) => {
    await takeTurns(tx, keys)
    return insertEvents(tx, bulk)
  })
}

/** So that the order of publication is the order of commits: no older event ever turns up late. */
export async function takeTurns(tx: Db, orderingKeys: readonly string[]): Promise<void> {
  await tx.execute(sql`
    select pg_advisory_xact_lock(hashtextextended(key, 0))
    from unnest(${sql.param(orderingKeys)}::text[]) as key`)
}

function toRow<T>(event: EventDefinition<T>, publication: Publication<T>) {
  return {
    id: newId('evt', systemClock).slice('evt_'.length),
    payload: event.schema.parse(publication.payload),
    rank: 0 - (publication.priority ?? 0),
    dedupe_key: publication.dedupeKey,
    dedupe_window_ms: publication.dedupeWindowMs,
    ordering_key: publication.orderingKey,
    delay_ms: publication.delayMs ?? 0,
  }
}

type Row = ReturnType<typeof toRow<unknown>>

/** In the order of the keys, so that two bulks with the same keys do not deadlock. */
function firstOfEachKey<T>(publications: readonly Publication<T>[]): readonly Publication<T>[] {
  if (publications.every(({ dedupeKey }) => dedupeKey === undefined)) return publications
  const taken = new Set<string>()
  const firsts = publications.filter(({ dedupeKey }) => {
    if (dedupeKey === undefined) return true
    const isFirst = !taken.has(dedupeKey)
    taken.add(dedupeKey)
    return isFirst
  })
  // With ordering keys the order is the caller's, and those publishers take turns anyway.
  if (firsts.some(({ orderingKey }) => orderingKey !== undefined)) return firsts
  return firsts.toSorted(({ dedupeKey: a = '' }, { dedupeKey: b = '' }) =>
    a < b ? -1 : a > b ? 1 : 0,
  )
}

const INSERT = `
  insert into events
    (id, type, payload, rank, dedupe_key, dedupe_window_ms, ordering_key, run_at)
  select id, $1, payload, rank, dedupe_key, dedupe_window_ms, ordering_key,
    clock_timestamp() + delay_ms * interval '1 millisecond'
  from json_to_recordset($2::text::json) as row (id uuid, payload json, rank smallint, dedupe_key text,
    dedupe_window_ms integer, ordering_key text, delay_ms double precision)`

/** A row that is done and only kept for its dedupe key gives way when its window is over. */
const UNLESS_TAKEN = `
  on conflict (type, dedupe_key) where dedupe_key is not null do update set
    id = excluded.id, position = default, payload = excluded.payload, rank = excluded.rank,
    dedupe_window_ms = excluded.dedupe_window_ms, ordering_key = excluded.ordering_key,
    run_at = excluded.run_at, created_at = now(), attempts = 0, crashes = 0, errors = '[]',
    done_until = null
  where events.done_until < clock_timestamp()`

/** What was offered and not added found its dedupe key taken. */
const counted = (insert: string) => `
  with added as (${insert} returning id), counted as (
    insert into event_counts (type, waiting, deduped)
    select $1, count(*), $3::integer - count(*) from added)
  select id from added`

/** Looking for a taken key costs a second look at each row: only where there are keys. */
const PLAIN = counted(INSERT)
const KEYED = counted(`${INSERT} ${UNLESS_TAKEN}`)

interface Bulk {
  type: string
  rows: readonly Row[]
  /** Events that the caller wanted to add. */
  offered: number
}

async function insertEvents(db: Db, { type, rows, offered }: Bulk): Promise<Id<'evt'>[]> {
  const statement = rows.some((row) => row.dedupe_key !== undefined) ? KEYED : PLAIN
  const added = await rawClient(db).unsafe<{ id: string }[]>(
    statement,
    [type, JSON.stringify(rows), offered],
    { prepare: true },
  )
  const isDue = rows.some((row) => row.delay_ms <= 0)
  if (added.length > 0 && isDue) afterCommit(db, (client) => bellOf(client).ring(type))
  return added.map((row) => eventIdOf(row.id))
}
