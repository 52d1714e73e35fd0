import postgres from 'postgres'
import type { Sql } from '../src/db/client.ts'
import { residentMb } from './support/child.ts'
import { type Bench, type BenchOptions, type Figure, figure } from './support/figure.ts'
import { openMarket, type ReadMarket } from './support/read-market.ts'
import { fillLedger, rollUp } from './support/usage-seed.ts'
import { VeilProcess } from './support/veil-process.ts'

const DAYS = 28
const OUR_ROUNDS = 60
const THEIR_ROUNDS = 12
const MOST_FIRST_BYTE_MS = 200
const MOST_GROWTH_MB = 64

/** What users and providers ask, beside the same question put to the ledger itself. */
export const readsBench: Bench = {
  name: 'reads',
  title: 'usage, quotas, reports and exports over HTTP, beside SQL over the ledger itself',
  run,
}

async function run(log: (line: string) => void, { stored = 10_000_000 }: BenchOptions) {
  const veil = await VeilProcess.prepare()
  let sql: Sql | null = null
  try {
    await veil.start('api')
    const market = await openMarket(veil)
    sql = postgres(veil.databaseUrl, { max: 1, onnotice: () => undefined })
    await sql`update billing_periods set starts_at = starts_at - interval '29 days',
      cycle_starts_at = cycle_starts_at - interval '29 days'`
    await fillLedger(sql, stored, DAYS)
    await rollUp(sql)
    log(`${stored / 1e6} M calls of 100 subscriptions stored`)
    const figures: Figure[] = []
    for (const read of readsOf(market)) figures.push(...(await measure(veil, sql, read, log)))
    return [...figures, ...(await measureExport(veil, market, log))]
  } finally {
    await sql?.end()
    await veil.remove()
  }
}

interface Read {
  name: string
  path: string
  token: string
  body?: unknown
  /** The same from single calls. */
  raw: string
}

const uuid = (id: string): string => `'${id.slice(id.indexOf('_') + 1)}'`
const LATELY = "at >= now() - interval '30 days'"
const COUNTS = 'count(*), count(*) filter (where status >= 400), sum(units)'

function readsOf({ consumer, provider, apiId, subscriptionId, keyId }: ReadMarket): Read[] {
  const one = `subscription_id = ${uuid(subscriptionId)}`
  const mine = `subscription_id in (select id from api_subscriptions where user_id =
    (select user_id from api_subscriptions where id = ${uuid(subscriptionId)}))`
  const ofApi = `subscription_id in (select id from api_subscriptions where api_id = ${uuid(apiId)})`
  const key = { path: `/quota/${keyId}`, token: consumer }
  const counted = `select ${COUNTS} from usage_records where ${one} and ${LATELY}`
  return [
    {
      ...{ name: 'summary', path: '/usage/summary', token: consumer },
      raw: `select subscription_id, ${COUNTS} from usage_records where ${mine} and ${LATELY} group by 1`,
    },
    {
      ...{ name: 'stats by hour', token: consumer },
      path: `/usage/stats?subscriptionId=${subscriptionId}&interval=hour&from=${daysAgo(DAYS)}`,
      raw: `select date_trunc('hour', at), ${COUNTS}, sum(duration_ms) from usage_records
        where ${one} and ${LATELY} group by 1 order by 1`,
    },
    {
      ...{ name: 'stats by day', token: consumer },
      path: `/usage/stats?subscriptionId=${subscriptionId}&interval=day`,
      raw: `select date_trunc('day', at), ${COUNTS}, sum(duration_ms) from usage_records
        where ${one} and ${LATELY} group by 1 order by 1`,
    },
    {
      ...{ name: 'trends', path: '/usage/trends', token: consumer },
      raw: `select ${LATELY}, ${COUNTS} from usage_records
        where ${mine} and at >= now() - interval '60 days' group by 1`,
    },
    {
      ...{ name: 'top APIs', path: '/usage/top-apis', token: consumer },
      raw: `select api_id, ${COUNTS} from usage_records where ${mine} and ${LATELY}
        group by 1 order by 2 desc limit 10`,
    },
    {
      ...{ name: 'rate limits', path: '/usage/rate-limits', token: consumer },
      raw: `select distinct on (subscription_id) subscription_id, date_trunc('hour', at), count(*)
        from usage_records where ${mine} and ${LATELY} group by 1, 2 order by 1, 3 desc`,
    },
    {
      ...{ name: 'usage of a key', path: `/api-keys/${keyId}/usage`, token: consumer },
      raw: `${counted} and key_id = '${keyId.slice(4)}'`,
    },
    { ...{ name: 'quotas', path: '/quota', token: consumer }, raw: counted.replace(one, mine) },
    { ...{ name: 'quota of a key', ...key }, raw: counted },
    {
      ...{ name: 'quota check', ...key },
      path: `${key.path}/check`,
      body: { units: 5 },
      raw: counted,
    },
    {
      ...{ name: 'running cost', path: `/subscriptions/${subscriptionId}/usage`, token: consumer },
      raw: counted,
    },
    {
      ...{
        name: 'operations of an API',
        path: `/provider/apis/${apiId}/operations`,
        token: provider,
      },
      raw: `select regexp_replace(path, '[0-9]+', '{id}', 'g'), count(*), sum(duration_ms),
          percentile_disc(array[0.5, 0.95, 0.99]) within group (order by duration_ms)
        from usage_records where ${ofApi} and ${LATELY} group by 1 order by 2 desc`,
    },
  ]
}

const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString()

/** In turn, ours several times for each of theirs, since theirs take so much longer. */
async function measure(
  veil: VeilProcess,
  sql: Sql,
  read: Read,
  log: (line: string) => void,
): Promise<Figure[]> {
  const [ours, theirs]: [number[], number[]] = [[], []]
  await ask(veil, read)
  await sql.unsafe(read.raw)
  for (let round = 0; round < THEIR_ROUNDS; round++) {
    theirs.push(await timed(() => sql.unsafe(read.raw)))
    for (let n = 0; n < OUR_ROUNDS / THEIR_ROUNDS; n++)
      ours.push(await timed(() => ask(veil, read)))
  }
  const at = (share: number) => {
    const peer = { name: 'SQL', values: [percentile(theirs, share)] }
    const name = `${read.name}, p${share * 100}`
    const bar = { of: 'ratio' as const, atMost: share === 0.5 ? 0.2 : 0.5 }
    return figure({ name, unit: 'ms', values: [percentile(ours, share)], peer, bar })
  }
  const [p50, p99] = [at(0.5), at(0.99)]
  log(`${read.name}: ${p50.value.toFixed(1)} ms, by SQL ${p50.peer?.value.toFixed(1)} ms`)
  return [p50, p99]
}

async function ask(veil: VeilProcess, { path, token, body }: Read): Promise<void> {
  const answer = await fetch(`${veil.url}${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
}

/** All calls of an API, a tenth of those that are stored. */
async function measureExport(
  veil: VeilProcess,
  { apiId, provider }: ReadMarket,
  log: (line: string) => void,
): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const format of ['csv', 'ndjson']) {
    const before = residentMb(veil.pid)
    const started = performance.now()
    const url = `${veil.url}/provider/apis/${apiId}/usage/export?format=${format}`
    const { body } = await fetch(url, { headers: { authorization: `Bearer ${provider}` } })
    let [bytes, firstByteMs, most] = [0, Number.NaN, before]
    for await (const chunk of body ?? []) {
      if (bytes === 0) firstByteMs = performance.now() - started
      bytes += chunk.length
      most = Math.max(most, residentMb(veil.pid))
    }
    const seconds = (performance.now() - started) / 1_000
    log(
      `${format}: ${Math.round(bytes / 1e6)} MB in ${seconds.toFixed(1)} s, ${Math.round(most)} MB resident`,
    )
    figures.push(
      figure({
        ...{ name: `${format}, first byte`, unit: 'ms', values: [firstByteMs] },
        bar: { of: 'value', atMost: MOST_FIRST_BYTE_MS },
      }),
      figure({
        ...{
          name: `${format}, memory for ${Math.round(bytes / 1e6)} MB`,
          unit: 'MB',
          values: [most - before],
        },
        bar: { of: 'value', atMost: MOST_GROWTH_MB },
      }),
    )
  }
  return figures
}
