import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { syncGateway } from '#app/background'
import { type FaultProxy, startFaultProxy } from '#test/fault-proxy'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

const DAY = 86_400_000
let veil: TestVeil
let proxy: FaultProxy
let provider: TestUser
let upstream: TestServer
let api: { slug: string; planId: string }

beforeAll(async () => {
  veil = await TestVeil.start({}, async ({ adminUrl }) => {
    proxy = await startFaultProxy(adminUrl)
    return proxy.url
  })
  provider = await veil.user('provider')
  upstream = startEchoUpstream('up')
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`
  api = await veil.publishedApi(provider, { slug: 'lived', upstreamUrl }, { template: 'pro' })
})
afterEach(() => proxy.inject('none'))
afterAll(async () => {
  await veil.stop()
  await proxy.stop()
  await upstream.stop()
})

/** A consumer with a subscription of their own; `id` and `key` are those of its first key. */
async function owner() {
  const consumer = await veil.user('consumer')
  const { id: subscriptionId, keyId: id, key } = await veil.subscribe(consumer, api)
  const send = (method: string, path: string, body?: unknown, headers = {}) =>
    veil.request(method, `/api-keys${path}`, { token: consumer.token, body, headers })
  return { consumer, subscriptionId, id, key, send }
}

const codeOf = async (key: string) => {
  const response = await veil.call(`/${api.slug}`, key)
  return response.ok ? 200 : ((await response.json()) as { code: string }).code
}
const becomes = (key: string, code: number | string) =>
  eventually(
    () => codeOf(key),
    (seen) => seen === code,
    2_000,
  )
const LIMITS = {
  ...{ expiresAt: null, operations: [], addresses: [], rotateAfterDays: null },
}
const inDays = (days: number) => new Date(veil.clock.now().getTime() + days * DAY).toISOString()
const events = (name: string, keyId: string) => veil.container.sql`
  select payload from event_history where type = ${name} and payload->>'keyId' = ${keyId}
  union all select payload from events where type = ${name} and payload->>'keyId' = ${keyId}`

describe('rotating', () => {
  test('both keys work during grace, then only the successor, which has the same limits', async () => {
    const { send, id, key } = await owner()
    const limits = { ...LIMITS, operations: ['GET /**'], addresses: ['127.0.0.0/8', '::1'] }
    await send('PUT', `/${id}`, { name: 'prod', ...limits, rotateAfterDays: 90 })
    const rotated = await send('POST', `/${id}/rotate`, { graceDays: 2 })
    expect(rotated).toMatchObject({
      status: 201,
      body: { name: 'prod', status: 'active', predecessorId: id, ...limits, rotateAfterDays: 90 },
    })
    expect([await codeOf(key), await codeOf(rotated.body.key)]).toEqual([200, 200])
    const old = (await send('GET', `/${id}`)).body
    expect(old.status).toBe('rotating')
    const left = Date.parse(old.expiresAt) - veil.clock.now().getTime()
    expect(Math.round(left / 60_000)).toBe(2 * 24 * 60)
    await veil.container.sql`update api_keys set expires_at = ${veil.clock.now()}
      where id = ${id.slice(4)}`
    await becomes(key, 'key_expired')
    expect(await codeOf(rotated.body.key)).toBe(200)
    expect(await events('key.rotated', id)).toHaveLength(1)
  })

  test('has seven days of grace unless stated, and never prolongs a key', async () => {
    const [plain, ending] = [await owner(), await owner()]
    await plain.send('POST', `/${plain.id}/rotate`, {})
    const { expiresAt } = (await plain.send('GET', `/${plain.id}`)).body
    expect(Math.round((Date.parse(expiresAt) - veil.clock.now().getTime()) / DAY)).toBe(7)
    const soon = inDays(1)
    await ending.send('PUT', `/${ending.id}`, { name: 'x', ...LIMITS, expiresAt: soon })
    await ending.send('POST', `/${ending.id}/rotate`, {})
    expect((await ending.send('GET', `/${ending.id}`)).body.expiresAt).toBe(soon)
  })

  test('ten times at once makes one successor; the others are told', async () => {
    const { send, id, subscriptionId } = await owner()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        n % 2 ? send('POST', `/${id}/rotate`, {}) : send('POST', `/${id}/regenerate`),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
    for (const { status, body } of answers)
      if (status === 409) expect(['change_in_progress', 'wrong_key_status']).toContain(body.code)
    const { body } = await send('GET', `?subscriptionId=${subscriptionId}`)
    expect(body.items).toHaveLength(2)
    expect(await events('key.rotated', id)).toHaveLength(1)
  })

  test('with an Idempotency-Key gives the same answer twice', async () => {
    const { send, id } = await owner()
    const headers = { 'idempotency-key': 'rotate-once' }
    const first = await send('POST', `/${id}/rotate`, {}, headers)
    const second = await send('POST', `/${id}/rotate`, {}, headers)
    expect(first.status).toBe(201)
    expect(second.body).toEqual(first.body)
  })

  test.each([{ graceDays: -1 }, { graceDays: 31 }, { graceDays: 1.5 }, { days: 1 }])(
    'refuses %j',
    async (body) => {
      const { send, id } = await owner()
      expect((await send('POST', `/${id}/rotate`, body)).status).toBe(422)
    },
  )

  test('changes nothing while the gateway is away, and can be sent again', async () => {
    const [rotating, regenerating] = [await owner(), await owner()]
    const expiresAt = inDays(3)
    const { send, id } = rotating
    await send('PUT', `/${id}`, { name: 'x', ...LIMITS, expiresAt })
    proxy.inject('reset-before', 1_000)
    const refused = await Promise.all([
      send('POST', `/${id}/rotate`, {}),
      regenerating.send('POST', `/${regenerating.id}/regenerate`),
    ])
    proxy.inject('none')
    for (const answer of refused)
      expect(answer).toMatchObject({ status: 503, body: { code: 'gateway_unavailable' } })
    expect((await send('GET', `/${id}`)).body).toMatchObject({ status: 'active', expiresAt })
    for (const { subscriptionId, key, ...each } of [rotating, regenerating]) {
      const { body } = await each.send('GET', `?subscriptionId=${subscriptionId}`)
      expect(body.items).toHaveLength(1)
      expect(await codeOf(key)).toBe(200)
    }
    expect((await send('POST', `/${id}/rotate`, {})).status).toBe(201)
  })
})

describe('a rotation whose process died before it was settled', () => {
  /** Rotated, then put back to where it was before the gateway was asked. */
  async function inDoubt() {
    const { send, id, key, subscriptionId } = await owner()
    const { body } = await send('POST', `/${id}/rotate`, {})
    const { sql } = veil.container
    await sql`update api_keys set status = 'pending' where id = ${body.id.slice(4)}`
    await sql`update gateway_commits set state = 'preparing', finished_at = null,
      deadline_at = now() - interval '1 minute' where subject_id = ${id}`
    return { send, id, key, subscriptionId, successor: body as { id: string; key: string } }
  }

  test('is finished when the gateway takes it', async () => {
    const { send, id, successor } = await inDoubt()
    expect(await syncGateway(veil.container)).toMatchObject({ recovered: 1 })
    expect((await send('GET', `/${successor.id}`)).body.status).toBe('active')
    expect((await send('GET', `/${id}`)).body.status).toBe('rotating')
    expect(await codeOf(successor.key)).toBe(200)
  })

  test('is undone when it does not, and can be asked for again', async () => {
    const [plain, revoked] = [await inDoubt(), await inDoubt()]
    await revoked.send('POST', `/${revoked.successor.id}/revoke`)
    await veil.caddy.restart()
    proxy.inject('reset-before', 1_000)
    await expect(syncGateway(veil.container)).rejects.toThrow()
    proxy.inject('none')
    expect((await plain.send('GET', `/${plain.successor.id}`)).status).toBe(404)
    const { body } = await revoked.send('GET', `/${revoked.successor.id}`)
    expect(body).toMatchObject({ status: 'revoked', predecessorId: null })
    await syncGateway(veil.container)
    for (const { send, id, key } of [plain, revoked]) {
      const old = (await send('GET', `/${id}`)).body
      expect(old).toMatchObject({ status: 'active', expiresAt: null })
      expect(await codeOf(key)).toBe(200)
      expect((await send('POST', `/${id}/rotate`, {})).status).toBe(201)
    }
  })
})

test('regenerating ends the old key when the new one works', async () => {
  const { send, id, key } = await owner()
  const made = await send('POST', `/${id}/regenerate`)
  expect(made.status).toBe(201)
  expect(await codeOf(made.body.key)).toBe(200)
  await becomes(key, 'key_revoked')
  expect((await send('GET', `/${id}`)).body.status).toBe('revoked')
  expect((await send('POST', `/${id}/regenerate`)).body.code).toBe('wrong_key_status')
  const again = await send('POST', `/${made.body.id}/regenerate`)
  expect(again.body.predecessorId).toBe(made.body.id)
})

describe('an expiry', () => {
  test('is kept by the edge from its instant on', async () => {
    const { send, subscriptionId } = await owner()
    const expiresAt = new Date(veil.clock.now().getTime() + 700).toISOString()
    const { status, body } = await send('POST', '', { subscriptionId, name: 'brief', expiresAt })
    expect(status).toBe(201)
    await becomes(body.key, 'key_expired')
    expect(veil.clock.now().getTime()).toBeGreaterThanOrEqual(Date.parse(expiresAt))
    expect((await send('GET', `/${body.id}`)).body).toMatchObject({ status: 'expired', expiresAt })
    const change = { name: 'again', ...LIMITS }
    expect((await send('PUT', `/${body.id}`, change)).body.code).toBe('wrong_key_status')
  })

  test.each(['2020-01-01T00:00:00Z', 'tomorrow', 5])('of %j is refused', async (expiresAt) => {
    const { send, subscriptionId } = await owner()
    const { status, body } = await send('POST', '', { subscriptionId, name: 'x', expiresAt })
    expect(status).toBe(422)
    expect(body.errors[0].pointer).toBe('/expiresAt')
  })
})

describe('resync', () => {
  test('brings a key to the gateway that was away when it was made', async () => {
    const { send, subscriptionId } = await owner()
    proxy.inject('reset-before', 1_000)
    const { body: made } = await send('POST', '', { subscriptionId, name: 'late' })
    expect(made.status).toBe('failed_sync')
    expect((await send('POST', `/${made.id}/resync`)).status).toBe(503)
    expect((await send('GET', `/${made.id}`)).body.status).toBe('failed_sync')
    proxy.inject('none')
    expect((await send('POST', `/${made.id}/resync`)).body.status).toBe('active')
    expect(await codeOf(made.key)).toBe(200)
    expect((await send('POST', `/${made.id}/resync`)).status).toBe(200)
  })

  test('of a revoked key is refused', async () => {
    const { send, id } = await owner()
    await send('POST', `/${id}/revoke`)
    expect((await send('POST', `/${id}/resync`)).body.code).toBe('wrong_key_status')
  })
})

describe('deleting', () => {
  test('takes a revoked key out of sight and leaves the audit; one in force stays', async () => {
    const { send, id, key, subscriptionId } = await owner()
    expect((await send('DELETE', `/${id}`)).body.code).toBe('wrong_key_status')
    await send('POST', `/${id}/revoke`)
    expect((await send('DELETE', `/${id}`)).status).toBe(204)
    expect((await send('GET', `/${id}`)).status).toBe(404)
    expect((await send('DELETE', `/${id}`)).status).toBe(404)
    expect((await send('GET', `?subscriptionId=${subscriptionId}`)).body.items).toEqual([])
    await syncGateway(veil.container)
    expect(await codeOf(key)).toBe('key_revoked')
    const audits = await veil.container.sql`select action from audit_log
      where subject_id = ${id} order by at`
    expect(audits.map(({ action }) => action)).toEqual(['api-key.revoked', 'api-key.deleted'])
  })
})

test("nobody changes somebody else's key", async () => {
  const [mine, theirs] = [await owner(), await owner()]
  const change = { name: 'mine now', ...LIMITS }
  expect((await mine.send('PUT', `/${theirs.id}`, change)).status).toBe(404)
  expect((await mine.send('DELETE', `/${theirs.id}`)).status).toBe(404)
  for (const what of ['resync', 'regenerate'])
    expect((await mine.send('POST', `/${theirs.id}/${what}`)).status).toBe(404)
  expect((await mine.send('POST', `/${theirs.id}/rotate`, {})).status).toBe(404)
  expect(await codeOf(theirs.key)).toBe(200)
})
