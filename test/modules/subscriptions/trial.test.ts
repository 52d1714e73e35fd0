import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import type { FakeStripe } from '#test/stripe/index'
import { eventually, TestVeil } from '#test/veil'
import { startWithStripe } from '../payments/payments-fixture'
import { Life } from './life-fixture'

let veil: TestVeil
let stripe: FakeStripe
let upstream: TestServer
let upstreamUrl: string

beforeAll(async () => {
  ;({ veil, stripe } = await startWithStripe())
  upstream = startEchoUpstream('upstream')
  upstreamUrl = `http://127.0.0.1:${upstream.port}`
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
  await stripe.stop()
})

const MARCH = '2027-03-01T00:00:00.000Z'
const MARCH_15 = '2027-03-15T00:00:00.000Z'
const plan = (trial: object = {}) => ({
  ...{ flatFee: 3_100, quota: { limit: 310, hard: false, overageRate: '1' } },
  trial: { days: 14, ...trial },
})
const addCard = (life: Life) => veil.container.sql`
  insert into payment_methods (id, user_id, external_id, brand, last_four, expiry_month,
    expiry_year, created_at)
  values (uuidv7(), ${life.consumer.id.slice(4)}::uuid, ${`pm_${life.slug}`}, 'visa', '4242', 12,
    2030, ${MARCH}::timestamptz)`
const callUntil = (life: Life, status: number) =>
  eventually(
    () => veil.call(`/${life.slug}`, life.key),
    (answer) => answer.status === status,
    1_000,
  )

test('with a card it goes on where the trial ends, reminded once three days before', async () => {
  const life = await Life.begin(veil, MARCH, { plan: plan() })
  expect(await life.ok('GET')).toMatchObject({ status: 'trialing', trialEndsAt: MARCH_15 })
  await addCard(life)
  await life.at('2027-03-11T23:00:00Z')
  await life.run('trial-expiration')
  await life.at('2027-03-12T01:00:00Z')
  await life.run('trial-expiration', 'trial-expiration')
  const types = await eventually(
    () => life.events(),
    (all) => all.includes('subscription.trial-ending'),
  )
  expect(types.filter((type) => type === 'subscription.trial-ending')).toHaveLength(1)

  await life.at('2027-03-16T12:00:00Z')
  await Promise.all([life.run('subscription-renewal'), life.run('trial-expiration')])
  expect(await life.ok('GET')).toMatchObject({ status: 'active', trialEndsAt: MARCH_15 })
  expect(await life.periods()).toMatchObject([
    { kind: 'trial', fee: 0, end: new Date(MARCH_15), status: 'closed' },
    { kind: 'regular', fee: 3_100, quota: 310, start: new Date(MARCH_15), status: 'open' },
  ])
  await life.run('trial-expiration', 'subscription-renewal')
  expect(await life.periods()).toHaveLength(2)
  expect(await life.reasons()).toEqual(['subscribed', 'trial_ended'])
})

test('without a card its keys are refused, until there is one', async () => {
  const life = await Life.begin(veil, MARCH, { plan: plan() }, upstreamUrl)
  await callUntil(life, 200)
  const late = '2027-03-15T00:00:30.000Z'
  await life.at(late)
  await life.run('trial-expiration')
  expect((await life.ok('GET')).status).toBe('suspended')
  await callUntil(life, 402)
  // Calls passed until the job looked, so the trial lasted until then.
  expect(await life.periods()).toMatchObject([{ kind: 'trial', fee: 0, end: new Date(late) }])
  expect(await life.ask('POST', '/resume')).toMatchObject({
    ...{ status: 409, body: { code: 'payment_method_missing' } },
  })
  expect(await veil.container.lifecycle.reinstate(life.id as `sub_${string}`, new Date(late))).toBe(
    false,
  )
  await addCard(life)
  await life.at('2027-03-20T00:00:00Z')
  expect((await life.ok('POST', '/resume')).status).toBe('active')
  await callUntil(life, 200)
  const [, regular] = await life.periods()
  expect(regular).toMatchObject({ fee: 3_100, start: new Date('2027-03-20T00:00:00Z') })
})

test('nobody takes it up: after 30 days the API can be subscribed to again, without a trial', async () => {
  const life = await Life.begin(veil, MARCH, { plan: plan() })
  await life.at(MARCH_15)
  await life.run('trial-expiration')
  await life.at('2027-04-15T00:00:00Z')
  await life.run('trial-expiration', 'trial-expiration')
  expect((await life.ok('GET')).status).toBe('expired')
  await life.subscribe('plan')
  expect(await life.ok('GET')).toMatchObject({ status: 'active', trialEndsAt: null })
  expect(await life.periods()).toMatchObject([{ kind: 'regular', fee: 3_100 }])
})

test('it ends by use before its date', async () => {
  const life = await Life.begin(veil, MARCH, { plan: plan({ units: 5 }) })
  await addCard(life)
  expect(await life.periods()).toMatchObject([{ kind: 'trial', quota: 5 }])
  await life.at('2027-03-04T00:00:00.000Z')
  await life.use(5)
  await life.at('2027-03-04T00:01:00.000Z')
  await life.run('trial-expiration')
  expect(await life.periods()).toMatchObject([
    { kind: 'trial', end: new Date('2027-03-04T00:01:00.000Z') },
    { kind: 'regular', fee: 3_100, quota: 310 },
  ])
})

test('where a card is required, it does not begin without one', async () => {
  const life = await Life.publish(veil, MARCH, { plan: plan({ cardRequired: true }) })
  const body = { api: life.slug, planId: life.plans.plan }
  const { token } = life.consumer
  const refused = await veil.request('POST', '/subscriptions', { token, body })
  expect(refused).toMatchObject({ status: 409, body: { code: 'payment_method_missing' } })
  await addCard(life)
  expect((await veil.request('POST', '/subscriptions', { token, body })).status).toBe(201)
})

test('a trial that is cancelled ends with its date', async () => {
  const life = await Life.begin(veil, MARCH, { plan: plan() })
  await addCard(life)
  expect((await life.ok('POST', '/cancel', {})).scheduled).toMatchObject({ at: MARCH_15 })
  await life.at('2027-03-16T00:00:00Z')
  await Promise.all([life.run('trial-expiration'), life.run('subscription-renewal')])
  expect(await life.ok('GET')).toMatchObject({ status: 'cancelled', endedAt: MARCH_15 })
  expect(await life.periods()).toHaveLength(1)
})

test('where payments are noted by hand, nobody needs a card', async () => {
  const manual = await TestVeil.start()
  try {
    const life = await Life.begin(manual, MARCH, { plan: plan({ cardRequired: true }) })
    expect(await life.ok('GET')).toMatchObject({ status: 'trialing', trialEndsAt: MARCH_15 })
    await life.at('2027-03-16T12:00:00Z')
    await life.run('trial-expiration')
    expect(await life.ok('GET')).toMatchObject({ status: 'active' })
  } finally {
    await manual.stop()
  }
})
