import type { Sql } from '#db/client'
import type { ClaimedEvent } from './claim'
import { COUNT_OUT } from './counts'
import type { Decision } from './decide'
import { digitsOf, uuidArray } from './ids'
import { freeSuccessors } from './ordering'

export interface Verdict {
  event: ClaimedEvent
  decision: Decision
}

/** What became of the events of a round. */
export interface Settlement {
  done: number
  retried: number
  snoozed: number
  released: number
  dead: number
  /** Taken over by another worker meanwhile: what we did about them changed nothing. */
  lost: number
}

export interface Settled extends Settlement {
  /** Types of the events that may run now because the one before them in their order is over. */
  freed: string[]
}

/** A connection or an open transaction of the raw client. */
type RawSql = Pick<Sql, 'unsafe'>

type Kind = Decision['kind']
type Of<K extends Kind> = { event: ClaimedEvent; decision: Extract<Decision, { kind: K }> }

const HISTORY_COLUMNS =
  'id, type, state, payload, priority, ordering_key, dedupe_key, attempts, errors, created_at, finished_at'
/** From `gone`, rows of `events`. */
export const toHistory = (state: 'done' | 'cancelled') => `
  insert into event_history (${HISTORY_COLUMNS})
  select id, type, '${state}', payload, -rank, ordering_key, dedupe_key, attempts, errors, created_at,
    clock_timestamp()
  from gone`

const END_CLAIM = 'delete from event_claims where token = $1'
const MINE = 'claim_token = $1 and id = any($2::uuid[])'
const END = {
  plain: `delete from events where ${MINE}`,
  /** Kept out of the way for its dedupe key. */
  windowed: `update events set claim_token = null, ordering_key = null, run_at = 'infinity',
    done_until = clock_timestamp() + dedupe_window_ms * interval '1 millisecond' where ${MINE}`,
}

export interface SettleOptions {
  keepsHistory: boolean
  /** Whether these are the last of the claim, which is forgotten then. */
  endsClaim: boolean
}

/**
 * Writes the decisions about events of one claim, fenced by its token: an event that a newer claim
 * has taken stays as it is. What is more than one statement is one transaction.
 */
export async function settle(
  sql: Sql,
  token: string,
  verdicts: readonly Verdict[],
  options: SettleOptions,
): Promise<Settled> {
  const of = <K extends Kind>(kind: K) =>
    verdicts.filter((verdict) => verdict.decision.kind === kind) as Of<K>[]
  const isSimple = verdicts.every(
    ({ event, decision }) => decision.kind === 'done' && !event.isWindowed && !event.orderingKey,
  )
  const [done, dead] = [of('done'), of('dead')]
  if (isSimple) {
    const count = await completeEvents(sql, token, done, options)
    return { ...NOTHING, done: count, lost: verdicts.length - count }
  }
  return sql.begin(async (tx) => {
    const counts = {
      done: await completeEvents(tx, token, done, { ...options, endsClaim: false }),
      retried: await putBack(tx, token, of('retry').map(toRetry)),
      snoozed: await putBack(tx, token, of('snooze').map(toSnooze)),
      released: await putBack(tx, token, of('release').map(toSnooze)),
      dead: await buryEvents(tx, token, dead),
    }
    if (options.endsClaim) await tx.unsafe(END_CLAIM, [token])
    const keys = [...done, ...dead].flatMap(({ event }) => event.orderingKey ?? [])
    const settled = Object.values(counts).reduce((sum, count) => sum + count, 0)
    return { ...counts, lost: verdicts.length - settled, freed: await freeSuccessors(tx, keys) }
  })
}

const NOTHING: Settled = {
  ...{ done: 0, retried: 0, snoozed: 0, released: 0, dead: 0, lost: 0 },
  freed: [],
}

async function completeEvents(
  sql: RawSql,
  token: string,
  done: readonly Verdict[],
  { keepsHistory, endsClaim }: SettleOptions,
): Promise<number> {
  let count = 0
  for (const ending of ['plain', 'windowed'] as const) {
    const mine = done.filter(({ event }) => event.isWindowed === (ending === 'windowed'))
    if (mine.length === 0) continue
    const parts = [
      ...(endsClaim ? [`over as (${END_CLAIM})`] : []),
      `gone as (${END[ending]} returning ${keepsHistory ? '*' : 'type'})`,
      ...(keepsHistory ? [`kept as (${toHistory('done')})`] : []),
      `counted as (${COUNT_OUT})`,
    ]
    const [ended] = await sql.unsafe<{ count: number }[]>(
      `with ${parts.join(', ')} select count(*)::int as count from gone`,
      [token, uuidArray(mine.map(({ event }) => event.id))],
      { prepare: true },
    )
    count += ended?.count ?? 0
  }
  return count
}

/** `in_ms` null leaves the time as it is; `message` null means that no attempt took place. */
interface PutBack {
  id: string
  in_ms: number | null
  message: string | null
}

const toRetry = ({ event, decision: { inMs, message } }: Of<'retry'>): PutBack => ({
  ...{ id: digitsOf(event.id), in_ms: inMs, message },
})

const toSnooze = ({ event, decision }: Of<'snooze'> | Of<'release'>): PutBack => ({
  ...{ id: digitsOf(event.id), message: null },
  in_ms: decision.kind === 'snooze' ? decision.inMs : null,
})

async function putBack(sql: RawSql, token: string, rows: readonly PutBack[]): Promise<number> {
  if (rows.length === 0) return 0
  const { count } = await sql.unsafe(
    `update events set
      claim_token = null,
      attempts = attempts - (message is null)::int,
      run_at = coalesce(clock_timestamp() + in_ms * interval '1 millisecond', run_at),
      errors = case when message is null then errors else errors
        || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'message', message)) end
    from json_to_recordset($1::text::json) as row (id uuid, in_ms float8, message text)
    where events.id = row.id and claim_token = $2`,
    [JSON.stringify(rows), token],
    { prepare: true },
  )
  return count
}

/** The letter bears the event's digits, so that an event has one letter however often it dies. */
async function buryEvents(
  sql: RawSql,
  token: string,
  deaths: readonly Of<'dead'>[],
): Promise<number> {
  if (deaths.length === 0) return 0
  const rows = deaths.map(({ event, decision: { reason, message, attempts } }) => ({
    ...{ id: digitsOf(event.id), reason, message, begun: attempts },
  }))
  const { count } = await sql.unsafe(
    `with row as (
      select * from json_to_recordset($1::text::json) as row
        (id uuid, reason text, message text, begun integer)
    ), gone as (
      delete from events using row where events.id = row.id and claim_token = $2
      returning events.*, row.reason, row.message, row.begun
    ), counted as (${COUNT_OUT})
    insert into dead_letters (id, event_id, type, payload, priority, ordering_key, dedupe_key,
      dedupe_window_ms, reason, attempts, errors, first_at)
    select id, 'evt_' || replace(id::text, '-', ''), type, payload, -rank, ordering_key, dedupe_key,
      dedupe_window_ms, reason, begun,
      errors || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'message', message)),
      created_at
    from gone
    on conflict (id) do update set reason = excluded.reason, attempts = excluded.attempts,
      errors = excluded.errors, created_at = excluded.created_at`,
    [JSON.stringify(rows), token],
    { prepare: true },
  )
  return count
}
