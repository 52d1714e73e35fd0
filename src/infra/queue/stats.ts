import type { Sql } from '#db/client'

/** The events of one type that are not over, and how attempts ended in the last full minutes. */
export interface TypeStats {
  type: string
  ready: number
  scheduled: number
  running: number
  retrying: number
  /** Not added, since the first start, because their dedupe key was taken. */
  deduplicated: number
  /** How long the longest waiting event has been due, in ms; null when none waits. */
  oldestReadyMs: number | null
  /** Per minute, over the last five. */
  perMinute: { done: number; retried: number; dead: number }
}

export interface QueueStats {
  /** When the database was asked: what is older than `max(2 s, 20 × the cost of asking)` is asked anew. */
  asOf: Date
  types: TypeStats[]
  /** Claimed events whose worker is overdue: to be taken over within about a second. */
  inFlightPastLease: number
  deadLetters: { count: number; oldestAt: Date | null }
  /** Age of the oldest snapshot held open, in transactions: what it holds back cannot be cleaned up. */
  oldestXminAge: number
}

const FRESH_MS = 2_000
const COST_FACTOR = 20

/**
 * Counts the queue without reading what is due: it reads what runs, what is put off and one event of
 * each type and priority. Since much may be put off, a count is shared by all who ask while it is
 * fresh, and nobody counts while somebody does: asking often costs at most a twentieth of the time.
 */
export class StatsReader {
  private latest: QueueStats | null = null
  private freshUntil = -Infinity
  private counting: Promise<QueueStats> | null = null

  constructor(private readonly sql: Sql) {}

  async read(): Promise<QueueStats> {
    if (this.latest && performance.now() < this.freshUntil) return this.latest
    this.counting ??= this.count().finally(() => {
      this.counting = null
    })
    return this.counting
  }

  private async count(): Promise<QueueStats> {
    const startedAt = performance.now()
    const stats = await countQueue(this.sql)
    const now = performance.now()
    this.latest = stats
    this.freshUntil = now + Math.max(FRESH_MS, COST_FACTOR * (now - startedAt))
    return stats
  }
}

interface TypeRow extends Omit<TypeStats, 'oldestReadyMs' | 'perMinute'> {
  oldest_ready_ms: number | null
  done: number
  retried: number
  dead: number
}

async function countQueue(sql: Sql): Promise<QueueStats> {
  return sql.begin('isolation level repeatable read read only', async (tx) => {
    // The hot table grows and shrinks faster than the planner learns of it.
    await tx`select set_config(name, 'off', true)
      from unnest(array['enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin']) as name`
    const types = await tx.unsafe<TypeRow[]>(COUNT_TYPES)
    const [rest] = await tx.unsafe<RestRow[]>(COUNT_REST)
    if (!rest) throw new Error('a select without a table returned no row')
    return {
      asOf: rest.as_of,
      types: types.map(({ oldest_ready_ms, done, retried, dead, ...counts }) => ({
        ...counts,
        oldestReadyMs: oldest_ready_ms,
        perMinute: { done: done / 5, retried: retried / 5, dead: dead / 5 },
      })),
      inFlightPastLease: rest.past_lease,
      deadLetters: { count: rest.dead_letters, oldestAt: rest.oldest_letter },
      oldestXminAge: rest.xmin_age,
    }
  })
}

/** Events in the hands of a worker, found by their claims. */
const HELD = `event_claims cross join unnest(event_claims.event_ids) as held (id)
  join events on events.id = held.id and events.claim_token = event_claims.token`

/** The states as in `browse.ts`; what is neither held nor put off is ready. */
const COUNT_TYPES = `
  with recursive lane (type, rank) as (
    (select type, rank from events order by type, rank limit 1)
    union all
    select next.type, next.rank from lane cross join lateral (
      select type, rank from events where (type, rank) > (lane.type, lane.rank)
      order by type, rank limit 1) as next
  ), running as (
    select events.type, count(*) as running from ${HELD} group by events.type
  ), put_off as (
    select events.type, count(*) filter (where errors = '[]') as scheduled,
      count(*) filter (where errors <> '[]') as retrying
    from lane join events on events.type = lane.type and events.rank = lane.rank
      and run_at > now() and run_at < 'infinity' and claim_token is null
    group by events.type
  ), oldest as (
    select lane.type, min(first.run_at) as run_at from lane cross join lateral (
      select run_at from events where type = lane.type and rank = lane.rank
        and run_at <= now() and claim_token is null
      order by run_at limit 1) as first
    group by lane.type
  ), known as (
    select type, sum(waiting) as waiting, sum(deduped) as deduped from event_counts group by type
  ), rates as (
    select type, sum(done) as done, sum(retried) as retried, sum(dead) as dead
    from event_rates
    where minute >= date_trunc('minute', now()) - interval '5 minutes' and minute < date_trunc('minute', now())
    group by type
  )
  select type, coalesce(scheduled, 0)::int as scheduled, coalesce(running, 0)::int as running,
    coalesce(retrying, 0)::int as retrying, coalesce(deduped, 0)::float8 as deduplicated,
    (coalesce(waiting, 0) - coalesce(running, 0) - coalesce(scheduled, 0) - coalesce(retrying, 0))::int as ready,
    extract(epoch from now() - oldest.run_at)::float8 * 1000 as oldest_ready_ms,
    coalesce(done, 0)::int as done, coalesce(retried, 0)::int as retried, coalesce(dead, 0)::int as dead
  from known full join rates using (type) left join running using (type) left join put_off using (type)
    left join oldest using (type)
  order by type`

interface RestRow {
  as_of: Date
  past_lease: number
  dead_letters: number
  oldest_letter: Date | null
  xmin_age: number
}

const COUNT_REST = `
  select now() as as_of,
    (select count(*)::int from ${HELD} where leased_until < now()) as past_lease,
    (select count(*)::int from dead_letters) as dead_letters,
    (select min(created_at) from dead_letters) as oldest_letter,
    (select coalesce(max(age(backend_xmin)), 0) from pg_stat_activity where pid <> pg_backend_pid()) as xmin_age`
