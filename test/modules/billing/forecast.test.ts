import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Forecasts } from '#modules/billing'
import { usageRollupJob } from '#modules/usage'
import { eventually, PASSWORD, type TestUser, TestVeil } from '#test/veil'

const DAY_MS = 86_400_000
let veil: TestVeil
let consumer: TestUser
let token: string
let subscription: { id: string; keyId: string }
let forecasts: Forecasts
let startsAt: number
let sequence = 0

/** A euro for 100 calls, further ones for 10 cents each. */
const PLAN = {
  ...{ slug: 'metered', name: 'Metered', type: 'flat', billingCycle: 'monthly', currency: 'EUR' },
  ...{ flatFee: 100, quota: { limit: 100, hard: false, overageRate: '10' } },
}

beforeAll(async () => {
  veil = await TestVeil.start()
  const provider = await veil.user('provider')
  consumer = await veil.user('consumer')
  const upstreamUrl = 'https://a.example'
  const api = await veil.publishedApi(provider, { slug: 'weather', upstreamUrl }, PLAN)
  subscription = await veil.subscribe(consumer, api)
  token = consumer.token
  const { period } = (await usage()).quota
  startsAt = Date.parse(period.start)
  forecasts = new Forecasts(veil.database.db, veil.container.pricing)
})
afterAll(() => veil.stop())

const get = (path: string) => veil.expectOk('GET', path, { token })
const usage = () => get(`/subscriptions/${subscription.id}/usage`)
const mails = async (): Promise<string[]> =>
  (
    await veil.database.sql<{ subject: string }[]>`
      select subject from outbox_mails where subject like '%will not last' order by id`
  ).map(({ subject }) => subject)

async function call(times: number): Promise<void> {
  const events = Array.from({ length: times }, () => ({
    ...{ id: randomUUID(), gatewayId: 'gw', sequence: ++sequence, keyId: subscription.keyId },
    ...{ method: 'GET', path: '/', status: 200, durationMs: 1, requestBytes: 0, responseBytes: 0 },
    at: veil.clock.now().toISOString(),
  }))
  await veil.expectOk('POST', '/usage/events', { token: 't'.repeat(32), body: { events } })
  await eventually(usage, ({ calls }) => calls === sequence)
}

/** The two jobs, so many days after the period began. */
async function hourlyAt(days: number): Promise<{ told: number }> {
  const now = new Date(startsAt + days * DAY_MS)
  veil.clock.stop(now)
  // The session of days ago is over.
  const body = { email: consumer.email, password: PASSWORD }
  token = (await veil.expectOk('POST', '/auth/login', { body })).accessToken
  await usageRollupJob(veil.database).run(now)
  return forecasts.tell(now)
}

it('is silent while it is too early, or so little is used, that it would be a guess', async () => {
  await call(30)
  // 30 calls in an hour would be more than 20,000 a month, and mean nothing.
  expect(await hourlyAt(1 / 24)).toEqual({ told: 0 })
  expect((await usage()).projection).toMatchObject({ quotaExhaustedAt: null })
  // At day 27, 30 calls are 34 at the end of the longest month.
  expect(await hourlyAt(27)).toEqual({ told: 0 })
})

it('tells once that the quota will not last, and when', async () => {
  expect(await hourlyAt(5)).toEqual({ told: 1 })
  expect(await hourlyAt(5)).toEqual({ told: 0 })
  // 30 in 5 days are 6 a day: the other 70 last for 11 days and 16 hours.
  const expected = new Date(startsAt + (5 + 70 / 6) * DAY_MS).toISOString()
  const { projection } = await usage()
  expect(projection).toMatchObject({ quotaExhaustedAt: expected, spendCapReachedAt: null })
  expect((await get('/quota/alerts')).items).toMatchObject([
    { subscriptionId: subscription.id, threshold: null, used: 30, exhaustedAt: expected },
  ])
  expect(await veil.eventuallyRetried(mails, (found) => found.length > 0)).toEqual([
    'Your quota for weather will not last',
  ])
})

it('tells of the spend cap on its own, by what it allows in units', async () => {
  // 6 euros are the fee and 50 calls beyond the 100 of the quota.
  await veil.expectOk('PUT', `/subscriptions/${subscription.id}/spend-cap`, {
    ...{ token, body: { amount: 600 } },
  })
  await call(30)
  expect(await hourlyAt(10)).toEqual({ told: 1 })
  // 60 in 10 days are 6 a day: the other 90 last for 15 days.
  const expected = new Date(startsAt + 25 * DAY_MS).toISOString()
  expect((await usage()).projection).toMatchObject({ spendCapReachedAt: expected })
  await veil.eventuallyRetried(mails, (found) => found.length === 2)
  expect((await mails()).at(-1)).toBe('Your spend cap for weather will not last')
  const [event] = await veil.database.sql<{ payload: object }[]>`
    select payload from event_history where type = 'usage.limit-expected'
    order by created_at desc limit 1`
  expect(event?.payload).toMatchObject({ limit: 'spend-cap', used: 60, allowed: 150 })
})

it('says nothing of a quota that is used up: that is news of its own', async () => {
  await call(45)
  expect(await hourlyAt(12)).toEqual({ told: 0 })
  expect((await usage()).projection).toMatchObject({ quotaExhaustedAt: null })
  expect((await get('/quota/alerts')).items).toMatchObject([{ threshold: 100, exhaustedAt: null }])
})
