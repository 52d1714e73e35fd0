import type { Sql } from '#db/client'

/** The events of one type that are not over, and how attempts ended in the last full minutes. */
export interface TypeStats {
  type: string
  ready: number
  scheduled: number
  running: number
  retrying: number
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
 * Counts the queue. Counting reads the whole hot table, so a count is shared by all who ask while it
 * is fresh, and nobody counts while somebody does: asking often costs at most a twentieth of the time.
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

interface TypeRow {
  type: string
  ready: number
  scheduled: number
  running: number
  retrying: number
  oldest_ready_ms: number | null
  done: number
  retried: number
  dead: number
}

async function countQueue(sql: Sql): Promise<QueueStats> {
  const [types, [rest]] = await Promise.all([countTypes(sql), countRest(sql)])
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
}

/** The states as in `browse.ts`. */
const countTypes = (sql: Sql) => sql<TypeRow[]>`
  with waiting as (
    select type,
      (count(*) filter (where claim_token is null and (run_at = 'infinity' or run_at <= now())))::int as ready,
      (count(*) filter (where claim_token is null and run_at > now() and run_at < 'infinity' and errors = '[]'))::int as scheduled,
      (count(*) filter (where claim_token is not null))::int as running,
      (count(*) filter (where claim_token is null and run_at > now() and run_at < 'infinity' and errors <> '[]'))::int as retrying,
      extract(epoch from now() - min(run_at) filter (where claim_token is null and run_at <= now()))::float8 * 1000
        as oldest_ready_ms
    from events where done_until is null group by type
  ), rates as (
    select type, sum(done)::int as done, sum(retried)::int as retried, sum(dead)::int as dead
    from event_rates
    where minute >= date_trunc('minute', now()) - interval '5 minutes' and minute < date_trunc('minute', now())
    group by type
  )
  select type, coalesce(ready, 0) as ready, coalesce(scheduled, 0) as scheduled,
    coalesce(running, 0) as running, coalesce(retrying, 0) as retrying, oldest_ready_ms,
    coalesce(done, 0) as done, coalesce(retried, 0) as retried, coalesce(dead, 0) as dead
  from waiting full join rates using (type)
  order by type`

const countRest = (sql: Sql) => sql<
  {
    as_of: Date
    past_lease: number
    dead_letters: number
    oldest_letter: Date | null
    xmin_age: number
  }[]
>`
  select now() as as_of,
    (select coalesce(sum(cardinality(event_ids)), 0)::int from event_claims where leased_until < now()) as past_lease,
    (select count(*)::int from dead_letters) as dead_letters,
    (select min(created_at) from dead_letters) as oldest_letter,
    (select coalesce(max(age(backend_xmin)), 0) from pg_stat_activity where pid <> pg_backend_pid()) as xmin_age`
