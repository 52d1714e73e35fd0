import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, TestVeil } from '#test/veil'

let veil: TestVeil
let upstream: TestServer

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('weather')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

test('a provider lists an API, a consumer calls it, and the call is counted within 2 s', async () => {
  const provider = await veil.user('provider')
  const consumer = await veil.user('consumer')
  const api = await veil.publishedApi(
    provider,
    { slug: 'weather', upstreamUrl: `http://127.0.0.1:${upstream.port}/v1` },
    { template: 'pro' },
  )
  const subscription = await veil.subscribe(consumer, api)

  const response = await veil.call('/weather/forecast?city=Paris', subscription.key)
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({
    upstream: 'weather',
    target: '/v1/forecast?city=Paris',
  })
  expect(response.headers.get('ratelimit')).toContain('r=')

  const usage = await eventually(
    () =>
      veil.expectOk('GET', `/subscriptions/${subscription.id}/usage`, { token: consumer.token }),
    ({ calls }) => calls === 1,
    2_000,
  )
  expect(usage).toMatchObject({
    calls: 1,
    units: 1,
    errors: 0,
    quota: { limit: 100_000, used: 1, remaining: 99_999 },
    cost: { currency: 'EUR', total: 2900 },
  })
})
