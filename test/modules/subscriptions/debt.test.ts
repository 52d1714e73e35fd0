import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let upstream: TestServer
let provider: TestUser
let consumer: TestUser
let api: { id: string; slug: string; planId: string }
let subscription: { id: `sub_${string}`; keyId: string; key: string }
let sequence = 0

const START = new Date('2027-03-01T00:00:00.000Z')
const DAY_MS = 86_400_000

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('upstream')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})
beforeEach(async () => {
  veil.clock.stop(START)
  provider = await veil.user('provider')
  consumer = await veil.user('consumer')
  const slug = `debt-${++sequence}`
  api = await veil.publishedApi(
    provider,
    { slug, upstreamUrl: `http://127.0.0.1:${upstream.port}` },
    {
      ...{ slug: 'p', name: 'P', type: 'flat', flatFee: 500 },
      rateLimits: [{ per: 'subscription', limit: 10, window: 'day' }],
    },
  )
  subscription = (await veil.subscribe(consumer, api)) as typeof subscription
})

const lifecycle = () => veil.container.lifecycle
/** A millisecond later each time, so that the history has an order. */
function now(): Date {
  veil.clock.advance(1)
  return veil.clock.now()
}
const call = () => veil.call(`/${api.slug}`, subscription.key)
/** The edge learns within a second. */
const callUntil = (status: number) => eventually(call, (answer) => answer.status === status, 1_000)
async function rowOf() {
  const [row] = await veil.container.sql`
    select status, rate_limit_percent as percent, anchor_at as anchor, ended_at as ended
    from api_subscriptions where id = ${subscription.id.slice(4)}::uuid`
  return row ?? {}
}
const historyOf = async () =>
  (
    await veil.container.sql`select reason from subscription_pricing_history
      where subscription_id = ${subscription.id.slice(4)}::uuid order by created_at, id`
  ).map(({ reason }) => reason)
const periodsOf = () => veil.container.sql`
  select ordinal, starts_at as start, ends_at as end, status from billing_periods
  where subscription_id = ${subscription.id.slice(4)}::uuid order by ordinal`

test('a debt softens, suspends and, once it is paid, leaves everything as it was', async () => {
  expect(await lifecycle().markPastDue(subscription.id, now())).toBe(true)
  expect(await lifecycle().markPastDue(subscription.id, now())).toBe(false)
  expect((await rowOf()).status).toBe('past_due')
  await callUntil(200)

  expect(await lifecycle().softenRateLimit(subscription.id, 25, now())).toBe(true)
  expect(await lifecycle().softenRateLimit(subscription.id, 25, now())).toBe(false)
  const policy = await eventually(
    async () => (await call()).headers.get('ratelimit-policy') ?? '',
    (value) => value.includes('q=2'),
    1_000,
  )
  expect(policy).toContain('"subscription";q=2;w=86400')

  expect(await lifecycle().suspendForDebt(subscription.id, now())).toBe(true)
  expect(await lifecycle().suspendForDebt(subscription.id, now())).toBe(false)
  const refused = await callUntil(402)
  expect(await refused.json()).toMatchObject({ code: 'subscription_unpaid' })

  expect(await lifecycle().reinstate(subscription.id, now())).toBe(true)
  expect(await lifecycle().reinstate(subscription.id, now())).toBe(false)
  expect(await rowOf()).toMatchObject({ status: 'active', percent: 100, anchor: START })
  expect(await periodsOf()).toHaveLength(1)
  await eventually(
    call,
    ({ headers }) => headers.get('ratelimit-policy')?.includes('q=10') ?? false,
  )
  expect(await historyOf()).toEqual([
    ...['subscribed', 'past_due', 'rate_limited', 'suspended', 'reinstated'],
  ])
})

test('the time of a suspension is not charged: a new cycle begins when the debt is paid', async () => {
  await lifecycle().markPastDue(subscription.id, now())
  await lifecycle().suspendForDebt(subscription.id, now())
  veil.clock.advance(45 * DAY_MS)
  await veil.container.renewals.renewDue(now())
  await veil.container.renewals.settleDue(now())
  expect((await periodsOf()).map(({ status }) => status)).toEqual(['closed'])
  const paidAt = now()
  expect(await lifecycle().reinstate(subscription.id, paidAt)).toBe(true)
  expect((await rowOf()).anchor).toEqual(paidAt)
  const [first, second] = await periodsOf()
  expect(first).toMatchObject({ start: START, end: new Date('2027-04-01T00:00:00Z') })
  expect(second).toMatchObject({ ordinal: 1, start: paidAt, status: 'open' })
})

test('a debt that is never paid ends it: its keys leave edge and gateway, nothing can be added', async () => {
  await callUntil(200)
  await lifecycle().markPastDue(subscription.id, now())
  veil.clock.advance(10 * DAY_MS)
  const at = now()
  expect(await lifecycle().cancelForDebt(subscription.id, at)).toBe(true)
  expect(await lifecycle().cancelForDebt(subscription.id, at)).toBe(false)
  expect(await rowOf()).toMatchObject({ status: 'cancelled', ended: at })
  expect(await periodsOf()).toMatchObject([{ start: START, end: at, status: 'closed' }])
  await callUntil(401)
  const served = await (await fetch(`${veil.caddy.adminUrl}/config/`)).text()
  expect(served).not.toContain(subscription.keyId.slice(4))
  for (const change of ['reinstate', 'markPastDue', 'suspendForDebt'] as const)
    expect(await lifecycle()[change](subscription.id, at)).toBe(false)

  await veil.travel(at, consumer)
  const { token } = consumer
  const body = { subscriptionId: subscription.id, name: 'one more' }
  expect(await veil.request('POST', '/api-keys', { token, body })).toMatchObject({
    status: 409,
    body: { code: 'subscription_over' },
  })
  // The API is free to be subscribed to again.
  const again = { api: api.slug, planId: api.planId }
  expect((await veil.request('POST', '/subscriptions', { token, body: again })).status).toBe(201)
})

test('several at once settle a debt once', async () => {
  const changes = await Promise.all(
    Array.from({ length: 10 }, () => lifecycle().markPastDue(subscription.id, now())),
  )
  expect(changes.filter(Boolean)).toHaveLength(1)
  const ends = await Promise.allSettled(
    Array.from({ length: 5 }, () => lifecycle().cancelForDebt(subscription.id, now())),
  )
  const ended = ends.filter((end) => end.status === 'fulfilled' && end.value)
  expect(ended).toHaveLength(1)
  expect(await historyOf()).toEqual(['subscribed', 'past_due', 'cancelled'])
})

test('what there is not is left alone', async () => {
  const nobody = `sub_${'0'.repeat(32)}` as const
  expect(await lifecycle().markPastDue(nobody, now())).toBe(false)
  expect(await lifecycle().cancelForDebt(nobody, now())).toBe(false)
  expect(await lifecycle().softenRateLimit(subscription.id, 50, now())).toBe(false)
})
