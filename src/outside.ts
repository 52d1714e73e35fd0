import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Database } from '#db/client'
import { SetupError } from '#infra/embedded'

const ANSWER_MS = 5_000
/** A server that is only just starting is waited for: stacks start everything at once. */
const STARTING_MS = 3_000
const STARTING = ['ECONNREFUSED', '57P03']
const OLDEST_POSTGRES = 15

const DATABASE_TROUBLE: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no such host is known',
  EAI_AGAIN: 'the name of the host cannot be looked up at the moment',
  '28P01': 'it refuses this user or password',
  '28000': 'it refuses this user',
  '3D000': 'it has no database of that name',
  '57P03': 'it is still starting',
  '53300': 'it has no connection left',
  // postgres.js says this of a server that only takes encrypted connections.
  CONNECTION_CLOSED: 'it ends the connection without an answer',
}

/**
 * Makes sure that the Postgres that DATABASE_URL names can be used, before anything is built on it.
 * @throws SetupError `database-unusable`
 */
export async function demandDatabase(url: string): Promise<void> {
  const startedAt = performance.now()
  for (;;) {
    const code = await databaseTrouble(url)
    if (code === null) return
    if (!STARTING.includes(code) || performance.now() - startedAt > STARTING_MS)
      throw databaseUnusable(
        url,
        DATABASE_TROUBLE[code] ?? `it does not answer as Postgres does (${code})`,
      )
    await delay(100)
  }
}

async function databaseTrouble(url: string): Promise<string | null> {
  const database = connect({ url, maxConnections: 1, applicationName: 'veil-start' })
  try {
    const version = await withinTime(versionOf(database))
    if (version >= OLDEST_POSTGRES * 10_000) return null
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return code ?? message
  } finally {
    void database.close().catch(() => undefined)
  }
  throw databaseUnusable(url, `it is older than Postgres ${OLDEST_POSTGRES}`)
}

async function versionOf({ sql }: Database): Promise<number> {
  const [row] = await sql<{ version: number }[]>`
    select current_setting('server_version_num')::int as version`
  return row?.version ?? 0
}

function databaseUnusable(url: string, why: string): SetupError {
  const { hostname, port, pathname } = new URL(url)
  return new SetupError(
    'database-unusable',
    `The database ${pathname.slice(1)} at ${hostname}:${port || 5432} cannot be used: ${why}.`,
    'Correct DATABASE_URL, or start that server. Without DATABASE_URL Veil runs a Postgres of its own.',
  )
}

/**
 * Makes sure that at least one of the gateways answers; one that is away is healed when it comes back.
 * @throws SetupError `gateway-unreachable`
 */
export async function demandGateway(adminUrls: string[]): Promise<void> {
  const startedAt = performance.now()
  for (;;) {
    const troubles = await Promise.all(adminUrls.map(gatewayTrouble))
    if (troubles.includes(null)) return
    if (performance.now() - startedAt > STARTING_MS) throw gatewayUnreachable(adminUrls, troubles)
    await delay(100)
  }
}

async function gatewayTrouble(adminUrl: string): Promise<string | null> {
  try {
    const url = `${adminUrl.replace(/\/+$/, '')}/config/`
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS), keepalive: false })
    const isJson = response.headers.get('content-type')?.includes('json') ?? false
    await response.arrayBuffer()
    if (response.ok && isJson) return null
    return `answers ${response.status}, not as Caddy's admin endpoint does`
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    return isLate ? 'does not answer' : 'cannot be reached'
  }
}

function gatewayUnreachable(adminUrls: string[], troubles: (string | null)[]): SetupError {
  const details = adminUrls.map((url, index) => `${url} ${troubles[index]}`).join('; ')
  return new SetupError(
    'gateway-unreachable',
    `No gateway can be used: ${details}.`,
    'Correct GATEWAY_ADMIN_URLS, or start that Caddy. Without GATEWAY_ADMIN_URLS Veil runs a Caddy of its own.',
  )
}

async function withinTime<T>(work: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = delay(ANSWER_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error('no answer in time')
  })
  late.catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    timer.abort()
  }
}
