import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let upstream: Server
let consumer: TestUser
let api: { slug: string; planId: string }

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
  const provider = await veil.user('provider')
  consumer = await veil.user('consumer')
  const { port } = upstream.address() as AddressInfo
  // 29.00 a month with 2 units, then 50 cents a unit.
  const plan = {
    template: 'pro',
    flatFee: 2900,
    quota: { limit: 2, hard: false, overageRate: '50' },
  }
  api = await veil.publishedApi(
    provider,
    { slug: 'capped', upstreamUrl: `http://127.0.0.1:${port}` },
    plan,
  )
})
afterAll(async () => {
  await veil.stop()
  upstream.close()
})

test('a call that would pass the cap is refused, and passes once it is raised, within a second', async () => {
  const { token } = consumer
  const { id, key } = await veil.subscribe(consumer, api)
  const path = `/subscriptions/${id}/spend-cap`
  const put = (amount: number | null) => veil.expectOk('PUT', path, { token, body: { amount } })
  const call = () => veil.call('/capped/x', key)
  expect(await veil.expectOk('GET', path, { token })).toMatchObject({
    ...{ subscriptionId: id, amount: null, currency: 'EUR', spend: 2900, unitsLeft: null },
  })

  expect(await put(2999)).toMatchObject({ amount: 2999, unitsLeft: 3 })
  const refusal = await eventually(call, ({ status }) => status === 402, 10_000)
  expect(await refusal.json()).toMatchObject({
    ...{ code: 'spend_cap_reached', spendCap: 2999, spend: 2950, currency: 'EUR' },
    detail: expect.stringContaining('PUT /subscriptions/{id}/spend-cap'),
  })

  await put(3000)
  await eventually(call, ({ status }) => status === 200, 1_000)
  expect((await call()).status).toBe(402)
  await put(null)
  await eventually(call, ({ status }) => status === 200, 1_000)
  const counted = () => veil.expectOk('GET', path, { token })
  await eventually(counted, ({ spend }) => spend === 3050)
})

test('a cap below the flat fee lets no call pass, and a stranger sees nothing', async () => {
  const other = await veil.user('consumer')
  const { id, key } = await veil.subscribe(other, api)
  const path = `/subscriptions/${id}/spend-cap`
  const { token } = other
  await veil.expectOk('PUT', path, { token, body: { amount: 0 } })
  await eventually(
    () => veil.call('/capped/x', key),
    ({ status }) => status === 402,
    1_000,
  )
  for (const method of ['GET', 'PUT']) {
    const body = method === 'PUT' ? { amount: 1 } : undefined
    const answer = await veil.request(method, path, { token: consumer.token, body })
    expect(answer).toMatchObject({ status: 404, body: { code: 'subscription_unknown' } })
  }
  const negative = await veil.request('PUT', path, { token, body: { amount: -1 } })
  expect(negative.status).toBe(422)
})
