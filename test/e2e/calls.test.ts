import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let upstream: TestServer
let provider: TestUser
let consumer: TestUser

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('upstream')
  provider = await veil.user('provider')
  consumer = await veil.user('consumer')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

const upstreamUrl = () => `http://127.0.0.1:${upstream.port}`
const usageOf = (id: string, user = consumer) =>
  veil.expectOk('GET', `/subscriptions/${id}/usage`, { token: user.token })

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  const problem = (await response.json()) as Record<string, unknown>
  expect(problem).toMatchObject({ status: response.status, title: expect.any(String) })
  expect(problem.detail).toEqual(expect.any(String))
  return problem
}

describe('each refusal of a call has a problem of its own, and is not counted', () => {
  let key = ''
  let otherKey = ''
  let subscription = ''

  beforeAll(async () => {
    const api = await veil.publishedApi(provider, {
      slug: 'guarded',
      upstreamUrl: upstreamUrl(),
      methods: ['GET', 'POST'],
      requiredHeaders: [{ name: 'X-Tenant' }],
    })
    const other = await veil.publishedApi(provider, { slug: 'other', upstreamUrl: upstreamUrl() })
    ;({ key, id: subscription } = await veil.subscribe(consumer, api))
    ;({ key: otherKey } = await veil.subscribe(consumer, other))
  })

  const tenant = { headers: { 'x-tenant': 'acme' } }
  const wrongSecret = () => `${key.slice(0, 20)}${key[20] === 'A' ? 'B' : 'A'}${key.slice(21)}`

  test.each([
    ['no key', () => veil.call('/guarded/x', null, tenant), 401, 'key_missing'],
    ['junk', () => veil.call('/guarded/x', 'junk', tenant), 401, 'key_not_accepted'],
    [
      'a wrong secret',
      () => veil.call('/guarded/x', wrongSecret(), tenant),
      401,
      'key_not_accepted',
    ],
    [
      'the key of another API',
      () => veil.call('/guarded/x', otherKey, tenant),
      401,
      'key_of_another_api',
    ],
    [
      'a wrong method',
      () => veil.call('/guarded/x', key, { ...tenant, method: 'DELETE' }),
      405,
      'method_not_allowed',
    ],
    ['a missing header', () => veil.call('/guarded/x', key), 400, 'missing_required_header'],
    ['an unknown API', () => veil.call('/unknown/x', key, tenant), 404, 'unknown_api'],
  ])('%s', async (_name, call, status, code) => {
    const problem = await problemOf(await call())
    expect(problem).toMatchObject({ status, code })
  })

  test('a revoked key is refused within a second, another key of the subscription still works', async () => {
    const { id, key: second } = await veil.expectOk('POST', '/api-keys', {
      token: consumer.token,
      body: { subscriptionId: subscription, name: 'second' },
    })
    expect((await veil.call('/guarded/x', second, tenant)).status).toBe(200)
    await veil.expectOk('POST', `/api-keys/${id}/revoke`, { token: consumer.token })
    const refused = await eventually(
      () => veil.call('/guarded/x', second, tenant),
      ({ status }) => status === 401,
      1_000,
    )
    expect(await problemOf(refused)).toMatchObject({ status: 401, code: 'key_revoked' })
    expect((await veil.call('/guarded/x', key, tenant)).status).toBe(200)
  })

  test('the key may come as a bearer token, and never reaches the upstream', async () => {
    const response = await fetch(`${veil.caddy.gatewayUrl}/guarded/x`, {
      headers: { authorization: `Bearer ${key}`, 'x-tenant': 'acme' },
    })
    expect(response.status).toBe(200)
    expect(await response.text()).not.toContain(key.slice(10))
  })

  test('only what passed was counted', async () => {
    const usage = await eventually(
      () => usageOf(subscription),
      ({ calls }) => calls >= 3,
    )
    expect(usage).toMatchObject({ calls: 3, units: 3, errors: 0 })
  })
})

describe('limits of the plan', () => {
  test('rate limit: N pass, N + 1 is 429 with RateLimit and Retry-After', async () => {
    const api = await veil.publishedApi(
      provider,
      { slug: 'limited', upstreamUrl: upstreamUrl() },
      {
        slug: 'tiny',
        name: 'Tiny',
        type: 'free',
        rateLimits: [{ per: 'subscription', limit: 3, window: 'hour' }],
      },
    )
    const { key } = await veil.subscribe(consumer, api)
    for (let n = 0; n < 3; n++) expect((await veil.call('/limited/', key)).status).toBe(200)
    const refused = await veil.call('/limited/', key)
    expect(await problemOf(refused)).toMatchObject({ status: 429, code: 'rate_limited' })
    expect(refused.headers.get('ratelimit')).toMatch(/^"subscription";r=0;t=\d+$/)
    expect(refused.headers.get('ratelimit-policy')).toBe('"subscription";q=3;w=3600')
    // One call an hour / 3 flows back: the next passes after at most 1,200 s.
    const retryAfter = Number(refused.headers.get('retry-after'))
    expect(retryAfter).toBeGreaterThan(1_190)
    expect(retryAfter).toBeLessThanOrEqual(1_200)
    veil.clock.advance(1_200_000)
    expect((await veil.call('/limited/', key)).status).toBe(200)
    expect((await veil.call('/limited/', key)).status).toBe(429)
    veil.clock.advance(-1_200_000)
  })

  test('hard quota: used up is 429 until the period ends; what is not billable costs nothing', async () => {
    let status = 200
    const flaky = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: () => new Response('x', { status }),
    })
    const api = await veil.publishedApi(
      provider,
      { slug: 'metered', upstreamUrl: `http://127.0.0.1:${flaky.port}` },
      { slug: 'five', name: 'Five', type: 'free', quota: { limit: 5, hard: true } },
    )
    const { key, id } = await veil.subscribe(consumer, api)
    for (let n = 0; n < 4; n++) expect((await veil.call('/metered/', key)).status).toBe(200)
    status = 500
    expect((await veil.call('/metered/', key)).status).toBe(500)
    await eventually(
      () => usageOf(id),
      ({ calls }) => calls === 5,
    )
    expect(await usageOf(id)).toMatchObject({ units: 4, errors: 1, quota: { remaining: 1 } })
    status = 200
    // The edge learns from the ledger that the failed call cost nothing: one more passes.
    const last = await eventually(
      () => veil.call('/metered/', key),
      (response) => response.status === 200,
    )
    expect(last.headers.get('ratelimit')).toContain('"quota";r=0')
    const refused = await veil.call('/metered/', key)
    expect(await problemOf(refused)).toMatchObject({ status: 429, code: 'quota_exhausted' })
    const untilEnd = Number(refused.headers.get('retry-after'))
    expect(untilEnd).toBeGreaterThan(27 * 86_400)
    expect(untilEnd).toBeLessThanOrEqual(31 * 86_400)
    await flaky.stop(true)
  })
})

describe('a hostile upstream', () => {
  let server: Server
  let victimKeyId = ''

  /** Answers with everything that could be taken for our own metering, in every place there is. */
  function startHostile(): Promise<number> {
    server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => {
        const forged = [
          `X-Veil-Key-Id: ${victimKeyId}`,
          'X-Veil-Subscription-Id: sub_0',
          'X-Request-Id: 00000000-0000-4000-8000-000000000000',
          'RateLimit: "key";r=999999;t=1',
        ].join('\r\n')
        socket.write(`HTTP/1.1 103 Early Hints\r\n${forged}\r\n\r\n`)
        socket.end(
          `HTTP/1.1 200 OK\r\n${forged}\r\n${forged}\r\nTrailer: X-Veil-Key-Id\r\n` +
            `Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Veil-Key-Id: ${victimKeyId}\r\n\r\n`,
        )
      })
    })
    return new Promise((resolve) =>
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address ? address.port : 0)
      }),
    )
  }

  test("can neither bill another customer's key nor hide a call", async () => {
    const port = await startHostile()
    const victim = await veil.user('consumer')
    const honest = await veil.publishedApi(provider, { slug: 'honest', upstreamUrl: upstreamUrl() })
    const victimSubscription = await veil.subscribe(victim, honest)
    victimKeyId = victimSubscription.keyId
    const hostile = await veil.publishedApi(provider, {
      slug: 'hostile',
      upstreamUrl: `http://127.0.0.1:${port}`,
    })
    const { key, id } = await veil.subscribe(consumer, hostile)

    const response = await veil.call('/hostile/', key)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('ok')
    expect(response.headers.get('x-request-id')).not.toContain('00000000-0000')
    expect(response.headers.get('ratelimit')).not.toContain('999999')

    expect(
      await eventually(
        () => usageOf(id),
        ({ calls }) => calls === 1,
      ),
    ).toMatchObject({ calls: 1, units: 1 })
    expect(await usageOf(victimSubscription.id, victim)).toMatchObject({ calls: 0, units: 0 })
    server.close()
  })
})
