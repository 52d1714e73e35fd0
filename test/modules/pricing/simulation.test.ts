import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let consumer: TestUser
let cheap: string
let subscriptionId: string

beforeAll(async () => {
  veil = await TestVeil.start()
  const provider = await veil.user('provider')
  consumer = await veil.user('consumer')
  const small = {
    ...{ slug: 'small', name: 'Small', type: 'flat', flatFee: 1000 },
    quota: { limit: 100, hard: false, overageRate: '2' },
  }
  const upstreamUrl = 'https://a.example'
  const { id, planId } = await veil.publishedApi(provider, { slug: 'sim', upstreamUrl }, small)
  const plan = await veil.expectOk('POST', `/provider/apis/${id}/plans`, {
    token: provider.token,
    body: {
      ...{ slug: 'cheap', name: 'Cheap', type: 'usage_based', maximumFee: 700 },
      charges: [{ model: 'per_unit', unitRate: '5', freeUnits: 20 }],
    },
  })
  cheap = plan.id
  const body = { api: 'sim', planId }
  const made = await veil.expectOk('POST', '/subscriptions', { token: consumer.token, body })
  subscriptionId = made.subscription.id
})
afterAll(() => veil.stop())

const simulate = (body: Record<string, unknown>, token = consumer.token) =>
  veil.request('POST', '/pricing/simulate', {
    token,
    body: { subscriptionId, planId: cheap, ...body },
  })

/** Moves the running period into the past and counts units in it. */
async function pastPeriod(units: number, part = '30 days') {
  const { sql } = veil.container
  const id = subscriptionId.slice(4)
  await sql`update billing_periods set status = 'closed', starts_at = now() - interval '60 days',
    ends_at = now() - interval '60 days' + ${part}::interval,
    cycle_starts_at = now() - interval '60 days', cycle_ends_at = now() - interval '30 days'
    where subscription_id = ${id}::uuid`
  await sql`insert into usage_counters (subscription_id, billing_period_id, calls, errors, units)
    select subscription_id, id, ${units}, 0, ${units} from billing_periods
    where subscription_id = ${id}::uuid
    on conflict (subscription_id, billing_period_id) do update set units = excluded.units`
}

test('a period that is over, under its own plan and under another', async () => {
  expect((await simulate({})).body.periods).toEqual([])
  await pastPeriod(150)
  const { status, body } = await simulate({ periods: 3 })
  expect(status).toBe(200)
  // 1,000 + 50 × 2 against (150 − 20) × 5.
  expect(body.periods).toMatchObject([
    { units: 150, actual: { total: 1100 }, simulated: { total: 650 }, difference: -450 },
  ])
  await pastPeriod(200)
  expect((await simulate({})).body.periods).toMatchObject([
    { actual: { total: 1200 }, simulated: { total: 700 }, difference: -500 },
  ])
})

test('half a cycle has half of what the plan gives and asks', async () => {
  await pastPeriod(100, '15 days')
  // 10 free units and at most 350; what was charged stands in the period.
  expect((await simulate({})).body.periods).toMatchObject([
    { units: 100, actual: { total: 1000 }, simulated: { total: 350 } },
  ])
})

test('what is not there, or not yours, is 404', async () => {
  const stranger = await veil.user('consumer')
  expect(await simulate({}, stranger.token)).toMatchObject({
    status: 404,
    body: { code: 'subscription_unknown' },
  })
  expect((await simulate({ subscriptionId: 'sub_x' })).status).toBe(404)
  expect(await simulate({ planId: 'plan_x' })).toMatchObject({
    status: 404,
    body: { code: 'plan_unknown' },
  })
  expect((await simulate({ periods: 25 })).status).toBe(422)
})
