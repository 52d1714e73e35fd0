import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let provider: TestUser
let upstream: TestServer
let count = 0

beforeAll(async () => {
  veil = await TestVeil.start()
  provider = await veil.user('provider')
  upstream = startEchoUpstream('up')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

const PLAN = { slug: 'p', name: 'P', type: 'flat', flatFee: 500 }

async function subscriber(plan: Record<string, unknown>) {
  const consumer = await veil.user('consumer')
  const api = await veil.publishedApi(
    provider,
    {
      slug: `billed-${++count}`,
      upstreamUrl: `http://127.0.0.1:${upstream.port}`,
      methods: ['GET', 'POST'],
    },
    plan,
  )
  const subscription = await veil.subscribe(consumer, api)
  const { token } = consumer
  const usage = () => veil.expectOk('GET', `/subscriptions/${subscription.id}/usage`, { token })
  return { ...subscription, slug: api.slug, token, usage }
}

/** Reports calls as a gateway does, with these statuses. */
async function report(keyId: string, statuses: number[]): Promise<void> {
  const events = statuses.map((status) => ({
    ...{ id: randomUUID(), gatewayId: 'other', sequence: ++count, keyId, method: 'GET', path: '/' },
    ...{
      status,
      durationMs: 1,
      requestBytes: 1,
      responseBytes: 1,
      at: veil.clock.now().toISOString(),
    },
  }))
  await veil.expectOk('POST', '/usage/events', { token: 't'.repeat(32), body: { events } })
}

test('an unused subscription costs its fee, and a free one nothing', async () => {
  const [paying, free] = [await subscriber(PLAN), await subscriber({ template: 'free' })]
  expect(await paying.usage()).toMatchObject({
    ...{ subscriptionId: paying.id, calls: 0, errors: 0, units: 0 },
    quota: { limit: null, remaining: null, used: 0 },
    cost: { currency: 'EUR', total: 500, lines: [{ code: 'flat_fee', amount: 500, quantity: 1 }] },
  })
  expect((await free.usage()).cost).toEqual({ currency: 'EUR', total: 0, lines: [] })
})

test('real calls beyond a soft quota pass, and cost to the cent what the plan says', async () => {
  const plan = { ...PLAN, quota: { limit: 3, hard: false, overageRate: '12.5' } }
  const { slug, key, usage } = await subscriber(plan)
  for (let n = 0; n < 8; n++) expect((await veil.call(`/${slug}`, key)).status).toBe(200)
  expect(await eventually(usage, ({ calls }) => calls === 8)).toMatchObject({
    ...{ units: 8, errors: 0 },
    quota: { limit: 3, hard: false, used: 8, remaining: 0 },
    cost: {
      total: 563,
      lines: [
        { code: 'flat_fee', amount: 500 },
        { code: 'overage', quantity: 5, amount: 63, explain: '(8 − 3) × 12.5' },
      ],
    },
  })
})

describe('to the cent at the bound', () => {
  test.each<[number, number]>([
    [9, 500],
    [10, 500],
    [11, 501],
    [12, 501],
    [13, 502],
    [400, 695],
  ])('%i units of a quota of 10 at half a cent: %i', async (units, total) => {
    const { keyId, usage } = await subscriber({
      ...PLAN,
      quota: { limit: 10, hard: false, overageRate: '0.5' },
    })
    await report(keyId, Array(units).fill(200))
    expect((await eventually(usage, ({ calls }) => calls === units)).cost.total).toBe(total)
  })
})

test('what is not billable is counted and costs nothing', async () => {
  const plan = { ...PLAN, quota: { limit: 1, hard: false, overageRate: '100' } }
  const { keyId, usage } = await subscriber({
    ...plan,
    billableStatuses: [
      { from: 200, to: 299 },
      { from: 404, to: 404 },
    ],
  })
  await report(keyId, [199, 200, 299, 300, 399, 400, 403, 404, 405, 500, 599])
  expect(await eventually(usage, ({ calls }) => calls === 11)).toMatchObject({
    ...{ units: 3, errors: 6 },
    quota: { used: 3 },
    cost: { total: 700 },
  })
})

test('refused calls cost nothing', async () => {
  const { slug, key, usage } = await subscriber({ ...PLAN, quota: { limit: 2, hard: true } })
  const statuses: number[] = []
  for (let n = 0; n < 4; n++) statuses.push((await veil.call(`/${slug}`, key)).status)
  expect(statuses).toEqual([200, 200, 429, 429])
  expect((await veil.call(`/${slug}`, `${key}x`)).status).toBe(401)
  expect((await veil.call(`/${slug}`, key, { method: 'DELETE' })).status).toBe(405)
  expect(await eventually(usage, ({ calls }) => calls === 2)).toMatchObject({
    quota: { hard: true, used: 2, remaining: 0 },
    cost: { total: 500 },
  })
})
