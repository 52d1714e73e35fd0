import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { systemClock } from '#infra/clock'
import { migrate } from '../src/db/migrate.ts'
import { startPostgres } from '../src/infra/embedded/index.ts'
import type { EdgeLoadReport } from './servers/edge-load.ts'
import { startChild } from './support/child.ts'
import { type Bench, type Figure, figure } from './support/figure.ts'
import { seedSubscriptions } from './support/usage-seed.ts'

const KEYS = 1_000_000
const ROUNDS = 3
const MOST_SECONDS = 30
const MOST_MEMORY_MB = 500

/** A million keys with a subscription each, the worst case, from Postgres into an edge's memory. */
export const edgeBench: Bench = {
  name: 'edge',
  title: `an edge loads ${KEYS} keys of as many subscriptions from Postgres`,
  run,
}

async function run(log: (line: string) => void): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'veil-bench-'))
  // As root, Postgres runs under another account.
  chmodSync(folder, 0o755)
  const server = await startPostgres({ dataDir: join(folder, 'postgres') })
  try {
    await migrate(server.url, systemClock)
    await seed(server.url)
    log(`seeded ${KEYS} keys`)
    const reports: EdgeLoadReport[] = []
    for (let round = 0; round < ROUNDS; round++) reports.push(await load(server.url, log))
    return figures(reports)
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function seed(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  await sql`set synchronous_commit = off`
  await seedSubscriptions(sql, KEYS)
  await sql.end()
}

/** One edge after another, each in a process of its own. */
async function load(url: string, log: (line: string) => void): Promise<EdgeLoadReport> {
  const edge = startChild<never, EdgeLoadReport>(
    join(import.meta.dirname, 'servers/edge-load.ts'),
    { url },
  )
  try {
    const report = await edge.receive()
    const { keys, subscriptions, seconds, residentMb } = report
    if (keys !== KEYS || subscriptions !== KEYS) throw new Error(`${keys} keys were loaded`)
    log(`${seconds.toFixed(1)} s, ${Math.round(residentMb)} MB`)
    return report
  } finally {
    await edge.stop()
  }
}

function figures(reports: EdgeLoadReport[]): Figure[] {
  const of = (field: 'seconds' | 'residentMb' | 'peakMb') => reports.map((report) => report[field])
  return [
    figure({
      ...{ name: 'load', unit: 's', values: of('seconds') },
      bar: { of: 'value', atMost: MOST_SECONDS },
    }),
    figure({
      ...{ name: 'memory', unit: 'MB', values: of('residentMb') },
      bar: { of: 'value', atMost: MOST_MEMORY_MB },
    }),
    figure({ name: 'memory, most while loading', unit: 'MB', values: of('peakMb') }),
  ]
}
