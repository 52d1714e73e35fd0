import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { readConfig } from '../src/config.ts'
import { buildContainer, type Container } from '../src/container.ts'
import { connect } from '../src/db/client.ts'
import { migrate } from '../src/db/migrate.ts'
import { systemClock } from '../src/infra/clock/index.ts'
import { freePort, startCaddy, startPostgres } from '../src/infra/embedded/index.ts'
import { createLogger } from '../src/infra/logger/index.ts'
import type { Actor } from '../src/lib/access.ts'
import { CaddyAdmin } from '../src/modules/gateway/caddy.ts'
import { type Bench, type Figure, figure } from './support/figure.ts'
import { benchCaddy } from './support/gateway.ts'

const APIS = 1_000
const KEYS_PER_API = 100
const ROUNDS = 7
const USER = '0'.repeat(31)
const CONSUMER = `usr_${USER}2` as const

/** From the request for a key to its answer, when the key works; Caddy's own part apart. */
export const pushBench: Bench = {
  name: 'push',
  title: `a new key with ${APIS} APIs and ${APIS * KEYS_PER_API} keys, to the moment it works`,
  run,
}

async function run(log: (line: string) => void): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'veil-bench-'))
  // As root, Postgres runs under another account.
  chmodSync(folder, 0o755)
  const stops: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const { path: binary, version } = await benchCaddy()
    log(`Caddy ${version}`)
    const server = await startPostgres({ dataDir: join(folder, 'postgres') })
    stops.push(() => server.stop())
    await migrate(server.url, systemClock)
    const [adminPort, port] = [await freePort(), await freePort()]
    const adminUrl = `http://127.0.0.1:${adminPort}`
    const env = {
      VEIL_CADDY_ADMIN: `127.0.0.1:${adminPort}`,
      VEIL_USAGE_LOG: join(folder, 'usage.log'),
    }
    const caddy = await startCaddy({
      ...{ binary, caddyfile: 'Caddyfile', env, adminUrl, dataDir: join(folder, 'caddy') },
    })
    stops.push(() => caddy.stop())
    const database = connect({ url: server.url, maxConnections: 8 })
    stops.push(() => database.close())
    await seed(database.sql)
    const writes = new WriteTimer()
    const container = buildContainer({
      config: readConfig({ GATEWAY_LISTEN: `127.0.0.1:${port}` }),
      ...{ database, logger: createLogger('silent') },
      secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32)] },
      gatewayAdminUrls: [adminUrl],
      pushPatienceMs: 30_000,
      reached: writes.reached,
    })
    await container.pusher.push()
    return await measure(container, adminUrl, writes, log)
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

/** How long Caddy had the last write in its hands. */
class WriteTimer {
  ms = 0
  private since = 0
  readonly reached = (point: string): void => {
    if (point === 'push.before-write') this.since = performance.now()
    if (point === 'push.answered') this.ms += performance.now() - this.since
  }
}

async function measure(
  { keys, database }: Container,
  adminUrl: string,
  writes: WriteTimer,
  log: (line: string) => void,
): Promise<Figure[]> {
  const actor: Actor = { userId: CONSUMER, sessionId: 'ses_0', roles: [] }
  const rows = await database.sql<{ id: string }[]>`
    select replace(id::text, '-', '') as id from api_subscriptions limit ${ROUNDS}`
  const [total, own, bare]: [number[], number[], number[]] = [[], [], []]
  for (const { id } of rows) {
    bare.push(await bareWrite(adminUrl))
    writes.ms = 0
    const began = performance.now()
    const { status } = await keys.create(actor, { subscriptionId: `sub_${id}`, name: 'bench' })
    const ms = performance.now() - began
    if (status !== 'active') throw new Error(`the key is ${status}`)
    total.push(ms)
    own.push(ms - writes.ms)
    log(
      `key ${Math.round(ms)} ms, of it ours ${Math.round(ms - writes.ms)}; bare write ${Math.round(bare.at(-1) ?? 0)} ms`,
    )
  }
  const peer = { name: 'bare write', values: bare }
  return [
    figure({
      name: 'new key to usable',
      unit: 'ms',
      values: total,
      peer,
      bar: { of: 'value', atMost: 3_000 },
    }),
    figure({
      name: "of it Veil's own",
      unit: 'ms',
      values: own,
      bar: { of: 'value', atMost: 200 },
    }),
  ]
}

/** The same configuration but for one number, and nothing around it. */
async function bareWrite(adminUrl: string): Promise<number> {
  const admin = new CaddyAdmin(adminUrl)
  const { server, etag } = await admin.readServer()
  if (!server) throw new Error('the gateway is empty')
  const began = performance.now()
  const { kind } = await admin.writeServer(
    { ...server, idle_timeout: Math.ceil(began * 1e6) },
    etag,
  )
  if (kind !== 'applied') throw new Error(`the bare write was ${kind}`)
  return performance.now() - began
}

/** Ids are what they need to be: APIs `…000001` and up, a plan and a subscription of the same number. */
async function seed(sql: Sql): Promise<void> {
  await sql`
    insert into users (id, email, name, roles) values
      (${`${USER}1`}, 'provider@bench.local', 'Provider', '{provider}'),
      (${CONSUMER.slice(4)}, 'consumer@bench.local', 'Consumer', '{consumer}')`
  await sql`
    insert into apis (id, owner_id, slug, name, upstream_url, status)
    select lpad(n::text, 32, '0')::uuid, ${`${USER}1`}, 'api-' || n, 'API', 'http://127.0.0.1:9', 'published'
    from generate_series(1, ${APIS}::int) n`
  await sql`insert into api_allowed_methods select id, 'GET' from apis`
  await sql`
    insert into pricing_models (id, api_id, slug, name, type, currency, billing_cycle, billable_statuses)
    select id, id, 'plan', 'Plan', 'usage_based', 'EUR', 'monthly', '[{"from":200,"to":399}]' from apis`
  await sql`
    insert into api_subscriptions (id, user_id, api_id, pricing_model_id, status, anchor_at)
    select id, ${CONSUMER.slice(4)}, id, id, 'active', now() from apis`
  await sql`
    insert into billing_periods (id, subscription_id, pricing_model_id, ordinal, cycle_index,
      starts_at, ends_at, cycle_starts_at, cycle_ends_at, flat_fee)
    select id, id, id, 0, 0, start, start + interval '21 days', start, start + interval '21 days', 0
    from apis, (select now() - interval '1 day' as start)`
  await sql`
    insert into api_keys (id, subscription_id, api_id, name, secret_hash, last_four, status)
    select left(md5(id::text || n), 12), id, id, 'key', sha256(n::text::bytea), '0000', 'active'
    from apis, generate_series(1, ${KEYS_PER_API}::int) n`
}
