import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import type { Sql } from '../src/db/client.ts'
import type { UsageLoadOrder, UsageLoadReport } from './servers/usage-load.ts'
import { type Child, residentMb, startChild } from './support/child.ts'
import { type Bench, type BenchOptions, type Figure, figure, median } from './support/figure.ts'
import { rawLedgerRate } from './support/raw-ledger.ts'
import { fillLedger, seedSubscriptions } from './support/usage-seed.ts'
import { TOKEN, VeilProcess } from './support/veil-process.ts'

const SUBSCRIPTIONS = 10_000
const CONNECTIONS = 4
const RAW_SECONDS = 4
const SLICE_SECONDS = 10
const FEW = 1_000_000
const MOST_MEMORY_MB = 400

/** From POST /usage/events to the ledger, on a Veil as `npm start` runs it. */
export const usageBench: Bench = {
  name: 'usage',
  title: `calls reported over HTTP and counted, ${SUBSCRIPTIONS} subscriptions, batches of 1,000 on ${CONNECTIONS} connections`,
  run,
}

type Log = (line: string) => void
type Load = Child<UsageLoadOrder, UsageLoadReport>

async function run(log: Log, options: BenchOptions): Promise<Figure[]> {
  const { seconds = 30, backlog = 5_000_000, stored = 20_000_000 } = options
  const veil = await VeilProcess.prepare()
  let rig: Rig | null = null
  try {
    await veil.start('api,worker,cron,edge')
    rig = await Rig.start(veil, log)
    await rig.measure(2)
    const sustained = await rig.sustained(seconds)
    const growth = await rig.growth(stored)
    return [...sustained, ...growth, await rig.backlog(backlog)]
  } finally {
    await rig?.stop()
    await veil.remove()
  }
}

/** What one measurement saw. */
interface Measured {
  /** Calls counted per second, from the first post until the last call is in the ledger. */
  rate: number
  /** CPU time of Veil and Postgres per call. */
  microseconds: number
  memoryMb: number
}

class Rig {
  private constructor(
    private readonly veil: VeilProcess,
    private readonly sql: Sql,
    private readonly load: Load,
    private readonly log: Log,
  ) {}

  static async start(veil: VeilProcess, log: Log): Promise<Rig> {
    const sql = postgres(veil.databaseUrl, { max: 2, onnotice: () => undefined })
    const keys = await seedSubscriptions(sql, SUBSCRIPTIONS)
    const file = join(import.meta.dirname, 'servers/usage-load.ts')
    const keysFile = join(veil.folder, 'keys.json')
    writeFileSync(keysFile, JSON.stringify(keys))
    const load: Load = startChild(file, { url: veil.url, token: TOKEN, keysFile })
    await load.receive()
    return new Rig(veil, sql, load, log)
  }

  async stop(): Promise<void> {
    await this.load.stop()
    await this.sql.end()
  }

  /** Posts for so long and waits until all of it is counted. */
  async measure(seconds: number): Promise<Measured> {
    const before = await this.counted()
    const cpu = this.veil.cpuMicroseconds()
    const memory = watchMemory(this.veil.pid)
    const started = performance.now()
    this.load.send({ connections: CONNECTIONS, durationMs: seconds * 1_000 })
    const { accepted, ms } = await this.load.receive()
    await this.untilCounted(before + accepted)
    const rate = (accepted * 1_000) / (performance.now() - started)
    const microseconds = (this.veil.cpuMicroseconds() - cpu) / accepted
    const memoryMb = memory.most()
    this.log(
      `${Math.round(rate)} counted/s (posted in ${Math.round(ms)} ms), ` +
        `${microseconds.toFixed(1)} µs of CPU a call, ${Math.round(memoryMb)} MB`,
    )
    return { rate, microseconds, memoryMb }
  }

  async sustained(seconds: number): Promise<Figure[]> {
    const raw = [await this.raw()]
    const { rate, memoryMb } = await this.measure(seconds)
    raw.push(await this.raw())
    const peer = { name: 'raw insert', values: [median(raw)] }
    return [
      figure({
        ...{ name: 'counted', unit: 'calls/s', values: [rate] },
        bar: { of: 'value', atLeast: 50_000 },
      }),
      figure({
        ...{ name: 'counted, to a raw insert', unit: 'calls/s', values: [rate], peer },
        bar: { of: 'ratio', atLeast: 0.3 },
      }),
      memoryFigure('memory under load', memoryMb),
    ]
  }

  /** What a call costs with few and with many of them stored. */
  async growth(stored: number): Promise<Figure[]> {
    const costs: number[][] = []
    for (const target of [FEW, stored]) {
      const missing = target - (await this.recorded())
      if (missing > 0) await fillLedger(this.sql, missing)
      this.log(`${await this.recorded()} calls stored`)
      // The first slice after filling up finds cold pages, and a checkpoint behind it.
      await this.measure(SLICE_SECONDS / 2)
      const slices = [await this.measure(SLICE_SECONDS), await this.measure(SLICE_SECONDS)]
      costs.push(slices.map(({ microseconds }) => microseconds))
    }
    const [few = [], many = []] = costs
    return [
      figure({
        ...{ name: `CPU of a call with ${stored / 1e6} M stored`, unit: 'µs', values: many },
        peer: { name: `${FEW / 1e6} M`, values: few },
        bar: { of: 'ratio', atMost: 1.15 },
      }),
    ]
  }

  /** Memory of a worker that finds a long queue. */
  async backlog(calls: number): Promise<Figure> {
    const before = await this.counted()
    await this.veil.stop()
    await this.veil.start('api')
    this.load.send({ connections: CONNECTIONS, calls })
    const { accepted, ms } = await this.load.receive()
    this.log(`${accepted} calls wait, posted in ${Math.round(ms)} ms`)
    await this.veil.stop()
    await this.veil.start('api,worker,cron,edge')
    const memory = watchMemory(this.veil.pid)
    const started = performance.now()
    await this.untilCounted(before + accepted)
    const seconds = (performance.now() - started) / 1_000
    const most = memory.most()
    this.log(`drained at ${Math.round(accepted / seconds)}/s, ${Math.round(most)} MB`)
    return memoryFigure(`memory with ${calls / 1e6} M waiting`, most)
  }

  private async raw(): Promise<number> {
    const rate = await rawLedgerRate(this.veil.databaseUrl, RAW_SECONDS)
    this.log(`${Math.round(rate)} rows/s by a raw insert`)
    return rate
  }

  /** Calls in the counters: those move in the transaction of the records. */
  private async counted(): Promise<number> {
    const [row] = await this.sql<{ calls: number }[]>`
      select coalesce(sum(calls), 0)::float8 as calls from usage_counters`
    return row?.calls ?? 0
  }

  private async recorded(): Promise<number> {
    const [row] = await this.sql<{ calls: number }[]>`
      select count(*)::float8 as calls from usage_records`
    return row?.calls ?? 0
  }

  private async untilCounted(calls: number): Promise<void> {
    let last = await this.counted()
    for (let idle = 0; last < calls; idle++) {
      if (idle > IDLE_LOOKS) throw new Error(`${calls - last} calls are not counted`)
      await Bun.sleep(LOOK_MS)
      const now = await this.counted()
      if (now > last) idle = 0
      last = now
    }
    if (last > calls) throw new Error(`${last - calls} calls too many are counted`)
  }
}

const LOOK_MS = 100
const IDLE_LOOKS = 300

function memoryFigure(name: string, megabytes: number): Figure {
  const bar = { of: 'value' as const, atMost: MOST_MEMORY_MB }
  return figure({ name, unit: 'MB', values: [megabytes], bar })
}

function watchMemory(pid: number): { most(): number } {
  let most = residentMb(pid)
  const timer = setInterval(() => {
    most = Math.max(most, residentMb(pid))
  }, 200)
  return {
    most: () => {
      clearInterval(timer)
      return most
    },
  }
}
