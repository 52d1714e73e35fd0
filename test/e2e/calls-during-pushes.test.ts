import { readFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { TestVeil } from '#test/veil'

/** `PUSH_SECONDS=60 PUSH_APIS=1000` for the long run. */
const SECONDS = Number(process.env.PUSH_SECONDS ?? 4)
const APIS = Number(process.env.PUSH_APIS ?? 100)
const PAUSE_MS = SECONDS > 10 ? 1_000 : 250
const CLIENTS = 4

/**
 * Caddy opens its port anew with each configuration (SO_REUSEPORT) and closes the old socket; Linux resets the
 * connections that wait there to be accepted, unless it is told to hand them over.
 */
function areWaitingHandedOver(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_migrate_req', 'utf8').trim() === '1'
  } catch {
    return false
  }
}

let veil: TestVeil
let upstream: TestServer
let key: string
let pushOnce: () => Promise<number>

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('upstream')
  const [provider, consumer] = [await veil.user('provider'), await veil.user('consumer')]
  const api = await veil.publishedApi(
    provider,
    { slug: 'called', upstreamUrl: `http://127.0.0.1:${upstream.port}` },
    { slug: 'open', name: 'Open', type: 'free' },
  )
  const subscription = await veil.subscribe(consumer, api)
  key = subscription.key
  await veil.database.sql`
    insert into apis (id, owner_id, slug, name, upstream_url, status)
    select lpad(n::text, 32, '0')::uuid, ${provider.id.slice(4)}, 'other-' || n, 'Other', 'http://127.0.0.1:9', 'published'
    from generate_series(1, ${APIS}::int) n`
  await veil.container.pusher.push()
  let made = 0
  pushOnce = async () => {
    const body = { subscriptionId: subscription.id, name: `key ${++made}` }
    const { token } = consumer
    return (await veil.request('POST', '/api-keys', { token, body })).status
  }
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

interface Heard {
  /** Status, or the code of the error. */
  what: string
  /** It went over a connection that had served a call before. */
  isReused: boolean
}

function call(agent: Agent): Promise<Heard> {
  return new Promise((resolve) => {
    const asking = request(`${veil.caddy.gatewayUrl}/called/`, {
      agent,
      headers: { 'x-api-key': key },
    })
    const tell = (what: string) => resolve({ what, isReused: asking.reusedSocket })
    asking.on('error', (error: NodeJS.ErrnoException) => tell(error.code ?? String(error)))
    asking.on('response', (answer: IncomingMessage) => {
      answer.resume().on('end', () => tell(String(answer.statusCode)))
      answer.on('error', () => tell('broken off'))
    })
    asking.end()
  })
}

/** Calls one after the other, in several clients, while a key is made again and again. */
async function callWhilePushing(agent: Agent): Promise<Heard[]> {
  const until = performance.now() + SECONDS * 1_000
  const heard: Heard[] = []
  const client = async () => {
    while (performance.now() < until) heard.push(await call(agent))
  }
  const pusher = async () => {
    const statuses: number[] = []
    while (performance.now() < until) {
      statuses.push(await pushOnce())
      await sleep(PAUSE_MS)
    }
    return statuses
  }
  const [statuses] = await Promise.all([pusher(), ...Array.from({ length: CLIENTS }, client)])
  expect(new Set(statuses)).toEqual(new Set([201]))
  expect(statuses.length).toBeGreaterThan(2)
  agent.destroy()
  return heard
}

const counted = (heard: Heard[]) => {
  const counts: Record<string, number> = {}
  for (const { what } of heard) counts[what] = (counts[what] ?? 0) + 1
  return counts
}

/** What was not answered was reset, never refused or answered wrongly, and hardly any was. */
function requireHarmless(heard: Heard[]): void {
  const failed = heard.filter(({ what }) => what !== '200')
  expect(failed.filter(({ what }) => what !== 'ECONNRESET')).toEqual([])
  expect(failed.length).toBeLessThan(heard.length / 50)
}

test('calls on connections of their own: none fails, where the kernel hands over those that wait', async () => {
  const heard = await callWhilePushing(new Agent({ keepAlive: false }))
  if (SECONDS > 10) console.log('new connections', counted(heard))
  requireHarmless(heard)
  if (areWaitingHandedOver()) expect(counted(heard)).toEqual({ 200: heard.length })
  expect(heard.length).toBeGreaterThan(50)
}, 200_000)

test('a connection that was kept is at most closed before it is used again: the call may be repeated', async () => {
  const heard = await callWhilePushing(new Agent({ keepAlive: true, maxSockets: CLIENTS }))
  if (SECONDS > 10) console.log('kept connections', counted(heard))
  requireHarmless(heard)
  if (!areWaitingHandedOver()) return
  expect(heard.filter(({ what, isReused }) => what !== '200' && !isReused)).toEqual([])
}, 200_000)
