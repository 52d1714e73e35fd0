import type { Sql } from '#db/client'
import type { Id } from '#lib/id'
import { eventIdOf, uuidArray } from './ids'

/** An event as its handler sees it. */
export interface ClaimedEvent {
  id: Id<'evt'>
  type: string
  payload: unknown
  /** Attempts begun, this one included. */
  attempts: number
  orderingKey: string | null
  /** Whether its dedupe key outlives it. */
  isWindowed: boolean
}

/** Where in the order of a type a claim ended. */
export interface Place {
  rank: number
  /** As Postgres writes it, to the microsecond, in UTC: such texts sort as the instants do. */
  runAt: string
  position: string
}

export interface Claim {
  token: string
  events: ClaimedEvent[]
  /** The last place in the order that it reached; null when it found nothing. */
  end: Place | null
}

export interface ClaimRequest {
  token: string
  worker: string
  type: string
  limit: number
  leaseMs: number
  maxAttempts: number
  /** Only what comes behind it. */
  after: Place | null
}

interface ClaimedRow extends Place {
  id: string
  payload: unknown
  attempts: number
  ordering_key: string | null
  windowed: boolean
}

/**
 * One whose worker died twice, or once with one attempt left, may be what kills the workers: it is
 * claimed alone, so that it takes no innocent neighbour's attempts along.
 */
const SUSPECT = '(crashes > 1 or (crashes = 1 and attempts + 1 >= $6))'

const claimStatement = (isBehindMark: boolean, ofSuspects: boolean) => `
  with free as (
    select ctid from events
    where type = $1 and run_at <= statement_timestamp() and claim_token is null
      and ${ofSuspects ? 'crashes > 0 and' : 'not'} ${SUSPECT}
      ${isBehindMark ? 'and (rank, run_at, position) > ($7::smallint, $8::text::timestamptz, $9::bigint)' : ''}
      and (ordering_key is null or not exists (
        select from events older
        where older.ordering_key = events.ordering_key and older.position < events.position))
    order by rank, run_at, position limit $2
    for no key update skip locked
  ), claimed as (
    update events set claim_token = $3, attempts = attempts + 1
    from free where events.ctid = free.ctid
    returning id, payload, attempts, ordering_key, dedupe_window_ms, rank, run_at, position
  ), claim as (
    insert into event_claims (token, worker, leased_until, event_ids)
    select $3, $4, clock_timestamp() + $5::float8 * interval '1 millisecond', array_agg(id)
    from claimed having count(*) > 0
  )
  select id, payload, attempts, ordering_key, dedupe_window_ms is not null as windowed,
    rank, run_at::text as "runAt", position::text
  from claimed`

const FROM_BEGINNING = claimStatement(false, false)
const BEHIND_MARK = claimStatement(true, false)
const SUSPECTS = claimStatement(false, true)

/**
 * Takes up to `limit` due events of a type. The attempt is counted here, so that one which kills its
 * worker counts too.
 */
export async function claimEvents(sql: Sql, request: ClaimRequest): Promise<Claim> {
  const { after } = request
  const mark = after ? [after.rank, after.runAt, after.position] : []
  return runClaim(sql, after ? BEHIND_MARK : FROM_BEGINNING, request, mark)
}

/** Takes one event that may have killed its workers. */
export function claimSuspect(sql: Sql, request: ClaimRequest): Promise<Claim> {
  return runClaim(sql, SUSPECTS, { ...request, limit: 1 }, [])
}

async function runClaim(
  sql: Sql,
  statement: string,
  request: ClaimRequest,
  mark: (string | number)[],
): Promise<Claim> {
  const { token, worker, type, limit, leaseMs, maxAttempts } = request
  const rows = await sql.unsafe<ClaimedRow[]>(
    statement,
    [type, limit, token, worker, leaseMs, maxAttempts, ...mark],
    { prepare: true },
  )
  let end: Place | null = null
  const events = rows.map((row) => {
    if (end === null || isBehind(row, end)) end = row
    return {
      id: eventIdOf(row.id),
      type,
      payload: row.payload,
      attempts: row.attempts,
      orderingKey: row.ordering_key,
      isWindowed: row.windowed,
    }
  })
  return { token, events, end }
}

/** Whether `a` comes after `b` in the order of a type. */
export function isBehind(a: Place, b: Place): boolean {
  if (a.rank !== b.rank) return a.rank > b.rank
  if (a.runAt !== b.runAt) return a.runAt > b.runAt
  return BigInt(a.position) > BigInt(b.position)
}

/** Extends the leases of claims. @returns the tokens of those that are still held */
export async function extendClaims(
  sql: Sql,
  tokens: readonly string[],
  leaseMs: number,
): Promise<Set<string>> {
  const held = await sql<{ token: string }[]>`
    update event_claims
    set leased_until = clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond'
    where token = any(${uuidArray(tokens)}::uuid[]) returning token`
  return new Set(held.map(({ token }) => token))
}

/**
 * Frees the events of claims whose lease is over, and counts a crash for each. From then on what
 * their late workers do changes nothing.
 *
 * @returns the types of what was freed
 */
export async function reapClaims(sql: Sql): Promise<string[]> {
  const freed = await sql<{ type: string }[]>`
    with over as (
      delete from event_claims where token in (
        select token from event_claims where leased_until < clock_timestamp() for update skip locked
      ) returning token, event_ids
    ), freed as (
      update events set claim_token = null, crashes = crashes + 1
      from over, unnest(over.event_ids) as held (id)
      where events.id = held.id and events.claim_token = over.token
      returning type
    )
    select distinct type from freed`
  return freed.map(({ type }) => type)
}
