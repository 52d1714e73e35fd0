import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { systemClock } from '#infra/clock'
import { migrate } from '../src/db/migrate.ts'
import { startPostgres } from '../src/infra/embedded/index.ts'
import type { BillingReport } from './servers/billing-run.ts'
import { RAW_MONTH, seedMonth } from './support/billing-seed.ts'
import { startChild } from './support/child.ts'
import { type Bench, type BenchOptions, type Figure, figure } from './support/figure.ts'

const DAY_MS = 86_400_000
const MOST_SECONDS = 120
const MOST_MEMORY_MB = 400

/** The end of a month: periods renewed, drafts made, invoices finalized, ledger and events written. */
export const billingBench: Bench = {
  name: 'billing',
  title:
    'a month of 100,000 subscriptions is closed and invoiced, beside half as many and plain SQL',
  run,
}

async function run(log: (line: string) => void, options: BenchOptions): Promise<Figure[]> {
  const { subscriptions: count = 100_000 } = options
  const folder = mkdtempSync(join(tmpdir(), 'veil-bench-'))
  // As root, Postgres runs under another account.
  chmodSync(folder, 0o755)
  const server = await startPostgres({ dataDir: join(folder, 'postgres') })
  try {
    const [half, all, raw] = await seedAll(server.url, count, log)
    const few = await invoice(half, count / 2, log)
    const many = await invoice(all, count, log)
    const plain = await rawSeconds(raw)
    log(`plain SQL: ${plain.toFixed(1)} s`)
    return figures({ few, many, plain })
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Databases with half of the subscriptions, with all, and with all once more. */
async function seedAll(
  serverUrl: string,
  count: number,
  log: (line: string) => void,
): Promise<[string, string, string]> {
  const urlOf = (name: string) => Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href
  const admin = postgres(serverUrl, { max: 1, onnotice: () => undefined })
  for (const [name, subscriptions] of [
    ['half', count / 2],
    ['whole', count],
  ] as const) {
    await admin.unsafe(`create database ${name}`)
    await migrate(urlOf(name), systemClock)
    const sql = postgres(urlOf(name), { max: 1, onnotice: () => undefined })
    await seedMonth(sql, subscriptions)
    await sql.end()
    log(`seeded ${subscriptions} subscriptions`)
  }
  await admin.unsafe('create database plain template whole')
  await admin.unsafe('checkpoint')
  await admin.end()
  return [urlOf('half'), urlOf('whole'), urlOf('plain')]
}

interface Measured extends BillingReport {
  total: number
}

/** In a process of its own, so that its memory is its own. */
async function invoice(url: string, count: number, log: (line: string) => void): Promise<Measured> {
  const now = new Date(Date.now() + 21 * DAY_MS).toISOString()
  const file = join(import.meta.dirname, 'servers/billing-run.ts')
  const job = startChild<never, BillingReport>(file, { url, now })
  try {
    const report = await job.receive()
    const { opened, drafted, finalized, seconds, peakMb } = report
    if (opened !== count || drafted !== count || finalized !== count)
      throw new Error(`${opened} renewed, ${drafted} drafted, ${finalized} finalized of ${count}`)
    const { renewal, generation, finalization } = seconds
    const total = renewal + generation + finalization
    const parts = [renewal, generation, finalization].map((part) => part.toFixed(1)).join(' + ')
    log(`${count}: ${parts} = ${total.toFixed(1)} s, ${Math.round(peakMb)} MB`)
    return { ...report, total }
  } finally {
    await job.stop()
  }
}

async function rawSeconds(url: string): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  const began = performance.now()
  await sql.unsafe(RAW_MONTH)
  const seconds = (performance.now() - began) / 1_000
  await sql.end()
  return seconds
}

function figures(of: { few: Measured; many: Measured; plain: number }): Figure[] {
  const { few, many, plain } = of
  return [
    figure({
      ...{ name: 'month of all', unit: 's', values: [many.total] },
      peer: { name: 'plain SQL', values: [plain] },
      bar: { of: 'value', atMost: MOST_SECONDS },
    }),
    figure({
      ...{ name: 'all to twice the half', unit: 's', values: [many.total] },
      peer: { name: 'twice the half', values: [2 * few.total] },
      bar: { of: 'ratio', atMost: 1.25 },
    }),
    figure({
      ...{ name: 'memory, most', unit: 'MB', values: [many.peakMb] },
      bar: { of: 'value', atMost: MOST_MEMORY_MB },
    }),
  ]
}
