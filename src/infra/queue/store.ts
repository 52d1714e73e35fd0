import { sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { systemClock } from '#infra/clock'
import { type Id, newId } from '#lib/id'

/** An event as its handler sees it. */
export interface ClaimedEvent {
  id: Id<'evt'>
  type: string
  payload: unknown
  /** Attempts begun, this one included. */
  attempts: number
  /** Attempts that ended with an error; fewer than `attempts − 1` when a worker died during one. */
  failures: number
}

interface ClaimedRow extends Record<string, unknown> {
  id: string
  type: string
  payload: unknown
  attempts: number
  failures: number
}

/**
 * Takes up to `limit` ready events under `token`: fresh ones, and those whose lease ran out. The
 * attempt is counted here, so that one which kills its worker counts too.
 */
export async function claimEvents(
  db: Db,
  claim: { token: string; types: readonly string[]; limit: number; leaseMs: number },
): Promise<ClaimedEvent[]> {
  const rows = await db.execute<ClaimedRow>(sql`
    with ready as (
      select id from events
      where run_at <= clock_timestamp() and type = any(${sql.param(claim.types)}::text[])
        and (claimed_until is null or claimed_until < clock_timestamp())
      order by priority desc, run_at, id
      limit ${claim.limit}
      for update skip locked
    )
    update events set
      claim_token = ${claim.token}::uuid, attempts = attempts + 1,
      claimed_until = clock_timestamp() + ${claim.leaseMs}::float8 * interval '1 millisecond'
    from ready where events.id = ready.id
    returning events.id, type, payload, attempts, jsonb_array_length(errors) as failures`)
  return rows.map((row) => ({ ...row, id: `evt_${row.id.replaceAll('-', '')}` }))
}

/** Extends the lease of what is still held under the token. @returns how many */
export async function extendClaims(
  db: Db,
  token: string,
  ids: readonly string[],
  leaseMs: number,
): Promise<number> {
  const held = await db.execute(sql`
    update events
    set claimed_until = clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond'
    where id = any(${uuids(ids)}) and claim_token = ${token}::uuid returning id`)
  return held.length
}

/** Deletes what is done. Fenced: an event that a newer claim has taken stays. @returns how many were ours */
export async function completeEvents(
  db: Db,
  token: string,
  ids: readonly string[],
): Promise<number> {
  if (ids.length === 0) return 0
  const done = await db.execute(sql`
    delete from events where id = any(${uuids(ids)}) and claim_token = ${token}::uuid returning id`)
  return done.length
}

export interface Retry {
  id: string
  inMs: number
  message: string
}

/** Puts failed events back for later, with the error kept. @returns how many were ours */
export async function retryEvents(
  db: Db,
  token: string,
  retries: readonly Retry[],
): Promise<number> {
  if (retries.length === 0) return 0
  const rows = retries.map(({ id, inMs, message }) => ({ id: bare(id), in_ms: inMs, message }))
  const put = await db.execute(sql`
    update events set
      claim_token = null, claimed_until = null,
      run_at = clock_timestamp() + row.in_ms * interval '1 millisecond',
      errors = errors || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'message', row.message))
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row
      (id uuid, in_ms double precision, message text)
    where events.id = row.id and claim_token = ${token}::uuid
    returning events.id`)
  return put.length
}

/** Gives events back untouched: the attempt that did not take place is not counted. */
export async function releaseEvents(
  db: Db,
  token: string,
  ids: readonly string[],
): Promise<number> {
  if (ids.length === 0) return 0
  const released = await db.execute(sql`
    update events set claim_token = null, claimed_until = null, attempts = attempts - 1
    where id = any(${uuids(ids)}) and claim_token = ${token}::uuid returning id`)
  return released.length
}

export interface Death {
  id: string
  reason: string
  message: string
}

/** Moves events to the dead letters in one statement. @returns how many were ours */
export async function buryEvents(db: Db, token: string, deaths: readonly Death[]): Promise<number> {
  if (deaths.length === 0) return 0
  const rows = deaths.map(({ id, reason, message }) => {
    const letter = bare(newId('dlq', systemClock))
    return { id: bare(id), letter, reason, message }
  })
  const buried = await db.execute(sql`
    with row as (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row
        (id uuid, letter uuid, reason text, message text)
    ), gone as (
      delete from events using row
      where events.id = row.id and claim_token = ${token}::uuid
      returning events.*, row.letter, row.reason, row.message
    )
    insert into dead_letters (id, event_id, type, payload, reason, attempts, errors, first_at)
    select letter, 'evt_' || replace(id::text, '-', ''), type, payload, reason, attempts,
      errors || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'message', message)),
      created_at
    from gone
    returning id`)
  return buried.length
}

const bare = (id: string): string => id.slice(id.indexOf('_') + 1)

const uuids = (ids: readonly string[]) => sql`${sql.param(ids.map(bare))}::uuid[]`
