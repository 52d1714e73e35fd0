import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { syncGateway } from '#app/background'
import { FAILPOINTS, type Failpoint } from '#lib/failpoint'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { disagreements } from '#test/gateway-agreement'
import { type Answer, type TestUser, TestVeil } from '#test/veil'
import { bundled } from './bundled'
import type { HttpPlan } from './http-process'

/** One in each phase; what makes keys passes all of them. */
const PHASES: Failpoint[] = ['commit.before-intent', 'push.sent', 'commit.after-outcome']

let veil: TestVeil
let upstream: TestServer
let provider: TestUser
beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('upstream')
  provider = await veil.user('provider')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

// The processes that die have the clock of the wall.
beforeEach(() => veil.clock.set(new Date()))

interface Asked {
  path: string
  token: string
  body: Record<string, unknown>
  key: string
}

/** Another replica takes the request and is killed (SIGKILL) at that step: the client hears nothing. */
async function askOneThatDies(point: Failpoint, { path, token, body, key }: Asked) {
  const { config, secrets } = veil.container
  const plan: HttpPlan = { databaseUrl: veil.database.url, adminUrl: veil.caddy.adminUrl, secrets }
  const child = spawn(process.execPath, [await bundled('http-process'), JSON.stringify(plan)], {
    cwd: resolve(import.meta.dirname, '../../..'),
    env: {
      ...{ PATH: process.env.PATH ?? '', NODE_ENV: 'test', FAILPOINT: point },
      EDGE_PORT: String(config.edge.port),
      GATEWAY_LISTEN: veil.caddy.gatewayAddress,
      GATEWAY_PUBLIC_URL: veil.caddy.gatewayUrl,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  const [port] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const asking = fetch(`http://127.0.0.1:${port.trim()}${path}`, {
    method: 'POST',
    headers: {
      ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      'idempotency-key': key,
    },
    body: JSON.stringify(body),
  })
  await expect(asking).rejects.toThrow()
  expect((await closed)[1]).toBe('SIGKILL')
}

const ask = ({ path, token, body, key }: Asked): Promise<Answer> =>
  veil.request('POST', path, { token, body, headers: { 'idempotency-key': key } })

/** The first try is over for good, and recovery has looked. */
async function passTime(): Promise<void> {
  veil.clock.advance(61_000)
  await veil.database.sql`
    update gateway_commits set deadline_at = '-infinity' where state = 'preparing'`
  await syncGateway(veil.container)
}

const keysOf = async (subscriptionId: string) =>
  (
    await veil.database.sql`
      select id from api_keys where subscription_id = ${subscriptionId.slice(4)}`
  ).length

async function consumerOfAnApi() {
  const [slug, upstreamUrl] = [`api-${randomUUID()}`, `http://127.0.0.1:${upstream.port}`]
  const api = await veil.publishedApi(provider, { slug, upstreamUrl })
  return { api, consumer: await veil.user('consumer') }
}

/** Sends it until it is answered, as a client does, and once more: one execution, one answer. */
async function retried(asked: Asked): Promise<Answer> {
  expect(await ask(asked)).toMatchObject({ status: 409, body: { code: 'idempotency_key_in_use' } })
  await passTime()
  const answer = await ask(asked)
  expect(answer.status).toBe(201)
  expect(answer.headers.get('idempotent-replayed')).toBeNull()
  const again = await ask(asked)
  expect([again.body, again.headers.get('idempotent-replayed')]).toEqual([answer.body, 'true'])
  expect(await disagreements(veil.database.sql, veil.caddy.adminUrl)).toEqual([])
  return answer
}

describe('T13, T14: a request whose process is killed goes on in its retry', () => {
  test.each(FAILPOINTS)('a new key, %s', async (point) => {
    const { api, consumer } = await consumerOfAnApi()
    const { id: subscriptionId } = await veil.subscribe(consumer, api)
    const body = { subscriptionId, name: 'another' }
    const asked = { path: '/api-keys', token: consumer.token, body, key: randomUUID() }
    await askOneThatDies(point, asked)
    const { body: made } = await retried(asked)
    expect(made.status).toBe('active')
    expect((await veil.call(`/${api.slug}/`, made.key)).status).toBe(200)
    expect(await keysOf(subscriptionId)).toBe(2)
  })

  test.each(PHASES)('a rotated key, %s', async (point) => {
    const { api, consumer } = await consumerOfAnApi()
    const { id, keyId, key: old } = await veil.subscribe(consumer, api)
    const path = `/api-keys/${keyId}/rotate`
    const asked = { path, token: consumer.token, body: { graceDays: 7 }, key: randomUUID() }
    await askOneThatDies(point, asked)
    const { body: made } = await retried(asked)
    expect(made.predecessorId).toBe(keyId)
    for (const key of [made.key, old])
      expect((await veil.call(`/${api.slug}/`, key)).status).toBe(200)
    expect(await keysOf(id)).toBe(2)
  })

  test.each(PHASES)('a subscription with its first key, %s', async (point) => {
    const { api, consumer } = await consumerOfAnApi()
    const body = { api: api.slug, planId: api.planId }
    const asked = { path: '/subscriptions', token: consumer.token, body, key: randomUUID() }
    await askOneThatDies(point, asked)
    const { body: made } = await retried(asked)
    expect((await veil.call(`/${api.slug}/`, made.apiKey.key)).status).toBe(200)
    expect(await keysOf(made.subscription.id)).toBe(1)
  })

  test('a key that is still on its way is waited for; somebody else’s is not answered', async () => {
    const { api, consumer } = await consumerOfAnApi()
    const { id: subscriptionId } = await veil.subscribe(consumer, api)
    const body = { subscriptionId, name: 'another' }
    const asked = { path: '/api-keys', token: consumer.token, body, key: randomUUID() }
    await askOneThatDies('push.sent', asked)
    veil.clock.advance(61_000)
    expect(await ask(asked)).toMatchObject({ status: 409, body: { code: 'change_in_progress' } })
    const { token } = await veil.user('consumer')
    expect(await ask({ ...asked, token })).toMatchObject({ status: 404 })
    await passTime()
    expect((await ask(asked)).status).toBe(201)
    expect(await keysOf(subscriptionId)).toBe(2)
  })
})
