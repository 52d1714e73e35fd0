import { randomBytes } from 'node:crypto'
import postgres from 'postgres'

const CONNECTIONS = 4
const BATCH = 1_000

const TYPES = [
  ...['uuid', 'timestamptz', 'uuid', 'text', 'bigint', 'uuid', 'text', 'uuid', 'text', 'text'],
  ...['smallint', 'int', 'bigint', 'bigint', 'boolean', 'int'],
]
const INSERT = `insert into raw_usage_records
  select * from unnest(${TYPES.map((type, index) => `$${index + 1}::text::${type}[]`)})
  on conflict do nothing`

interface Subject {
  subscription: string
  api: string
  period: string
  key: string
}

/**
 * What Postgres can take when nothing else is done: sorted batches by a multi-row insert with dedupe
 * into a table of the ledger's shape, prepared, on four connections. @returns rows per second
 */
export async function rawLedgerRate(url: string, seconds: number): Promise<number> {
  const sql = postgres(url, { max: CONNECTIONS, onnotice: () => undefined })
  try {
    await sql`drop table if exists raw_usage_records`
    await sql`create table raw_usage_records (like usage_records including all)`
    const subjects = await sql<Subject[]>`
      select subscription_id as subscription, api_keys.api_id as api, period.id as period, api_keys.id as key
      from api_keys join billing_periods period using (subscription_id) order by subscription_id`
    // Made beforehand, so that the client costs next to nothing while it is measured.
    const batches = Array.from({ length: seconds * 200 }, () => makeBatch(subjects))
    let rows = 0
    const started = performance.now()
    const isOver = () => performance.now() - started > seconds * 1_000
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        for (let batch = batches.pop(); batch && !isOver(); batch = batches.pop()) {
          await sql.unsafe(INSERT, batch, { prepare: true })
          rows += BATCH
        }
      }),
    )
    return (rows * 1_000) / (performance.now() - started)
  } finally {
    await sql`drop table if exists raw_usage_records`
    await sql.end()
  }
}

function makeBatch(subjects: readonly Subject[]): string[] {
  const at = new Date().toISOString()
  const places = Array.from({ length: BATCH }, () => Math.floor(Math.random() * subjects.length))
  const calls = places.sort((a, b) => a - b).flatMap((place) => subjects[place] ?? [])
  const columns: ((call: Subject) => string | number)[] = [
    ...[(call: Subject) => call.subscription, () => at, () => randomBytes(16).toString('hex')],
    ...[() => 'gateway-1', () => 1_000_000, (call: Subject) => call.api],
    ...[(call: Subject) => call.key, (call: Subject) => call.period, () => 'GET'],
    ...[() => '/bench-42/v1/things/100000/lines', () => 200, () => 12, () => 0, () => 512],
    ...[() => 't', () => 1],
  ]
  return columns.map((column) => `{${calls.map(column).join(',')}}`)
}
