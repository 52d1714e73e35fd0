import type { ChildProcess } from 'node:child_process'
import { beforeAll, expect, test } from 'vitest'
import { Metrics } from '#infra/metrics'
import { addQueue, countUnfinished, publishMany, StatsReader } from '#infra/queue'
import { eventually } from '#test/poll'
import { SeededRandom } from '#test/random'
import { readSeries } from '#test/scrape'
import { otherHappened, thingHappened, useQueue } from './support/queue'
import { kill, useWorkerProcesses } from './support/worker-processes'

const queue = useQueue()
const processes = useWorkerProcesses(queue)

beforeAll(async () => {
  await queue.database.sql`create table processed (event_id text primary key)`
  await queue.database.sql`create table total (sum bigint not null)`
})

async function scrape(): Promise<Map<string, number>> {
  const metrics = new Metrics()
  addQueue(metrics, new StatsReader(queue.database.sql))
  return readSeries(await metrics.text())
}

/** Counted the plain way, by reading every row. */
async function groundTruth(): Promise<Record<string, number>> {
  const { sql } = queue.database
  const states = await sql<{ series: string; count: number }[]>`
    select format('veil_queue_events{type="%s",state="%s"}', type, state) as series,
      count(found)::int as count
    from unnest(array[${thingHappened.name}, ${otherHappened.name}]) as type
    cross join unnest(array['ready', 'scheduled', 'running', 'retrying']) as state
    left join (
      select type as of, true as found, case
        when claim_token is not null then 'running'
        when run_at <= now() or run_at = 'infinity' then 'ready'
        when errors <> '[]' then 'retrying' else 'scheduled' end as is
      from events where done_until is null) as each on each.of = type and each.is = state
    group by type, state`
  const [rest] = await sql`
    select (select count(*)::int from events join event_claims on token = claim_token
        where leased_until < now()) as veil_queue_past_lease,
      (select count(*)::int from dead_letters) as veil_queue_dead_letters`
  return { ...Object.fromEntries(states.map(({ series, count }) => [series, count])), ...rest }
}

/** Nothing moved while it was scraped, although a statement of a stopped worker may come to its end. */
async function truthAndTold() {
  for (;;) {
    const before = await groundTruth()
    const told = await scrape()
    if (JSON.stringify(before) === JSON.stringify(await groundTruth()))
      return { truth: before, told }
  }
}

async function someOfEachState(): Promise<void> {
  await queue.database.sql`insert into total values (0)`
  const later = Array.from({ length: 7 }, (_, n) => ({ payload: { n }, delayMs: 600_000 }))
  await publishMany(queue.db, otherHappened, later)
  const failing = Array.from({ length: 5 }, (_, n) => ({ payload: { n }, priority: n }))
  await publishMany(queue.db, otherHappened, failing)
  await queue
    .worker({ random: () => 0.5 })
    .on(otherHappened, async ({ n }) => Promise.reject(new Error(`no ${n}`)), {
      retry: { baseMs: 3_600_000, capMs: 3_600_000, maxAttempts: 5 },
    })
    .drain()
}

test('T22: what is told is what the tables hold, at every moment of a run with killed workers', async () => {
  const random = new SeededRandom(22)
  await someOfEachState()
  const plan = { handler: 'count', leaseMs: 400, maxAttempts: 1_000 } as const
  const workers: ChildProcess[] = [processes.start(plan), processes.start(plan)]
  let offered = 0
  for (let round = 0; round < 6; round++) {
    const bulk = Array.from({ length: 60 }, (_, n) => ({
      payload: { n },
      ...(n % 3 === 0 && { dedupeKey: String(random.between(0, 20)) }),
    }))
    offered += bulk.length
    await publishMany(queue.db, thingHappened, bulk)
    await eventually(async () => (await queue.waiting()) < 400, 'some progress')
    if (round % 2 === 0) {
      await kill(workers[0] as ChildProcess)
      workers[0] = processes.start(plan)
    }
    for (const worker of workers) worker.kill('SIGSTOP')
    const { truth, told } = await truthAndTold()
    expect(Object.fromEntries(Object.keys(truth).map((name) => [name, told.get(name)]))).toEqual(
      truth,
    )
    for (const worker of workers) worker.kill('SIGCONT')
  }
  const isOver = async () => (await countUnfinished(queue.db, thingHappened.name)) === 0
  await eventually(isOver, 'the end of all events', 20_000)
  const told = await scrape()
  const [{ done }] = await queue.database.sql<[{ done: number }]>`
    select count(*)::int as done from processed`
  const hits = told.get(`veil_queue_deduplicated_total{type="${thingHappened.name}"}`)
  expect(hits).toBe(offered - done)
})

test('T22: the ages of the oldest event that is due and of the oldest snapshot', async () => {
  await queue.publishNumbers(1)
  const { sql } = queue.database
  const ages = async () => {
    const [row] = await sql<[{ ready: number; xmin: number }]>`
      select extract(epoch from clock_timestamp() - (select min(run_at) from events))::float8 as ready,
        (select max(age(backend_xmin)) from pg_stat_activity where pid <> pg_backend_pid()) as xmin`
    return row
  }
  await sql.begin('isolation level repeatable read', async (tx) => {
    await tx`select count(*) from events`
    // Each takes a number that the snapshot does not know.
    for (let n = 0; n < 30; n++) await sql`select pg_current_xact_id()`
    const before = await ages()
    const told = await scrape()
    const after = await ages()
    const ready = told.get(`veil_queue_oldest_ready_seconds{type="${thingHappened.name}"}`)
    expect(ready).toBeGreaterThanOrEqual(before.ready)
    expect(ready).toBeLessThanOrEqual(after.ready)
    const xmin = told.get('veil_database_oldest_xmin_age')
    expect(before.xmin).toBeGreaterThanOrEqual(30)
    expect(xmin).toBeGreaterThanOrEqual(before.xmin)
    expect(xmin).toBeLessThanOrEqual(after.xmin)
  })
})
