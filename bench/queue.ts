import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { startPostgres } from '../src/infra/embedded/index.ts'
import { type Child, startChild } from './support/child.ts'
import { type Bench, type Figure, figure, median } from './support/figure.ts'
import type { QueueAnswer, QueueOrder } from './support/queue-contender.ts'
import { alternate, type Contender } from './support/rounds.ts'

const BACKLOG = 200_000
const ROUNDS = 3
const ENQUEUE: QueueOrder = { task: 'enqueue', clients: 10, durationMs: 3_000 }
/** About 40 jobs a second. */
const LATENCY: QueueOrder = { task: 'latency', count: 150, gapMs: 25 }
const AT_LEAST_OF_DRAIN = 1.5
const AT_LEAST_OF_ENQUEUE = 3
const MOST_P50_MS = 5
const MOST_P99_MS = 25

/** Veil's queue beside pg-boss and graphile-worker, each with its fastest settings (see `servers/queue-*.ts`). */
export const queueBench: Bench = {
  name: 'queue',
  title: 'a backlog of 200,000 drained, jobs added one by one, and how soon they start',
  run,
}

/** The tables that hold jobs, to be emptied between rounds. */
const CONTENDERS = {
  veil: ['events', 'event_claims', 'event_counts'],
  'pg-boss': ['pgboss.job'],
  graphile: ['graphile_worker._private_jobs'],
  sql: ['jobs'],
} as const
type Name = keyof typeof CONTENDERS

interface Measurement {
  drain: number
  pinned: number
  enqueue: number
  p50: number
  p99: number
}

async function run(log: (line: string) => void): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'veil-bench-'))
  // As root, Postgres runs under another account.
  chmodSync(folder, 0o755)
  const stops: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const server = await startPostgres({ dataDir: join(folder, 'postgres') })
    stops.push(() => server.stop())
    const contenders: Contender<Measurement>[] = []
    for (const name of Object.keys(CONTENDERS) as Name[]) {
      const queue = await Queue.start(name, server.url)
      stops.push(() => queue.stop())
      contenders.push({ name, measure: () => queue.measure(log) })
    }
    return figures(await alternate(contenders, { rounds: ROUNDS, warmUp: 0 }))
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

/** One contender with a process and a database of its own. */
class Queue {
  private constructor(
    private readonly name: Name,
    private readonly child: Child<QueueOrder, QueueAnswer>,
    private readonly sql: postgres.Sql,
  ) {}

  static async start(name: Name, serverUrl: string): Promise<Queue> {
    const url = new URL(serverUrl)
    const database = `bench_${name.replace('-', '_')}`
    const admin = postgres(serverUrl, { max: 1 })
    await admin.unsafe(`create database ${database}`)
    await admin.end()
    url.pathname = `/${database}`
    const file = join(import.meta.dirname, 'servers', `queue-${name}.ts`)
    const child = startChild<QueueOrder, QueueAnswer>(file, { url: url.href })
    await child.receive()
    return new Queue(name, child, postgres(url.href, { max: 2, onnotice: () => undefined }))
  }

  async measure(log: (line: string) => void): Promise<Measurement> {
    const drain = await this.drainRate()
    const pinned = await this.withSnapshotHeld(() => this.drainRate())
    await this.clear()
    const enqueue = (await this.ask(ENQUEUE))[0] ?? Number.NaN
    await this.clear()
    // Raw SQL listens to nobody.
    const starts = this.name === 'sql' ? [] : await this.ask(LATENCY)
    const measurement = { drain, pinned, enqueue, ...percentiles(starts) }
    const facts = Object.entries(measurement).map(([key, value]) => `${key} ${value.toFixed(1)}`)
    log(`${this.name}: ${facts.join(', ')}`)
    return measurement
  }

  async stop(): Promise<void> {
    await this.sql.end()
    await this.child.stop()
  }

  /** Jobs per second, from the start of the worker until its last handler has run. */
  private async drainRate(): Promise<number> {
    await this.clear()
    await this.ask({ task: 'fill', count: BACKLOG })
    await this.sql`checkpoint`
    const [seconds = Number.NaN] = await this.ask({ task: 'drain', count: BACKLOG })
    return BACKLOG / seconds
  }

  /** While nothing that is deleted can be cleaned up. */
  private withSnapshotHeld<T>(work: () => Promise<T>): Promise<T> {
    return this.sql.begin('isolation level repeatable read', async (tx) => {
      await tx`select count(*) from pg_class`
      return work()
    }) as Promise<T>
  }

  private async clear(): Promise<void> {
    for (const table of CONTENDERS[this.name]) await this.sql.unsafe(`truncate ${table} cascade`)
  }

  private async ask(order: QueueOrder): Promise<number[]> {
    this.child.send(order)
    return (await this.child.receive()).values
  }
}

function percentiles(values: readonly number[]): { p50: number; p99: number } {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

function figures(results: ReadonlyMap<string, readonly Measurement[]>): Figure[] {
  const of = (name: string, field: keyof Measurement) => ({
    name,
    values: (results.get(name) ?? []).map((result) => result[field]),
  })
  const rate = (what: string, field: 'drain' | 'pinned' | 'enqueue', atLeast: number) => {
    const { values } = of('veil', field)
    const peers = [of('pg-boss', field), of('graphile', field)]
    const [best] = peers.sort((a, b) => median(b.values) - median(a.values))
    return ['pg-boss', 'graphile', 'sql'].map((peer) =>
      figure({
        ...{ name: `${what}, to ${peer}`, unit: '/s', values, peer: of(peer, field) },
        ...(peer === best?.name ? { bar: { of: 'ratio' as const, atLeast } } : {}),
      }),
    )
  }
  const soon = (field: 'p50' | 'p99', atMost: number) => [
    figure({
      ...{ name: `start, ${field}, to pg-boss`, unit: 'ms', values: of('veil', field).values },
      ...{ peer: of('pg-boss', field), bar: { of: 'value', atMost } },
    }),
    figure({
      ...{ name: `start, ${field}, to graphile`, unit: 'ms', values: of('veil', field).values },
      peer: of('graphile', field),
    }),
  ]
  return [
    ...rate('drain', 'drain', AT_LEAST_OF_DRAIN),
    ...rate('drain, snapshot held', 'pinned', AT_LEAST_OF_DRAIN),
    ...rate('add one by one, 10 clients', 'enqueue', AT_LEAST_OF_ENQUEUE),
    ...soon('p50', MOST_P50_MS),
    ...soon('p99', MOST_P99_MS),
  ]
}
