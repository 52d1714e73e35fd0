import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, TestVeil } from '#test/veil'
import { Life } from './life-fixture'

let veil: TestVeil
let upstream: TestServer
let upstreamUrl: string

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('upstream')
  upstreamUrl = `http://127.0.0.1:${upstream.port}`
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

const MARCH = '2027-03-01T00:00:00.000Z'
const MARCH_16 = '2027-03-16T00:00:00.000Z'
const APRIL = '2027-04-01T00:00:00.000Z'
const plan = (terms: object = {}) => ({
  ...{ flatFee: 3_100, quota: { limit: 310, hard: true } },
  ...terms,
})
const statusOf = async (life: Life) => (await veil.call(`/${life.slug}`, life.key)).status
const served = async () => (await fetch(`${veil.caddy.adminUrl}/config/`)).text()

describe('at the end of the period, which is usual', () => {
  test.each([
    ['POST', '/cancel', {}],
    ['DELETE', '', undefined],
  ] as const)(
    '%s %s: calls pass until then, not a millisecond longer; then the key leaves the gateway',
    async (method, path, body) => {
      const life = await Life.begin(veil, MARCH, { plan: plan() }, upstreamUrl)
      const cancelled = await life.ok(method, path, body)
      expect(cancelled).toMatchObject({
        ...{ status: 'active', endedAt: null },
        scheduled: { kind: 'cancellation', at: APRIL, planId: null },
      })
      await life.at('2027-03-31T23:59:59.999Z')
      await life.run('subscription-renewal')
      expect(
        await eventually(
          () => statusOf(life),
          (status) => status === 200,
        ),
      ).toBe(200)
      await life.at(APRIL)
      expect(await statusOf(life)).toBe(403)
      expect(await served()).toContain(life.keyId.slice(4))
      await life.run('subscription-renewal')
      expect(await life.ok('GET')).toMatchObject({
        ...{ status: 'cancelled', endedAt: APRIL, scheduled: null },
      })
      expect(await served()).not.toContain(life.keyId.slice(4))
      await eventually(
        () => statusOf(life),
        (status) => status === 401,
      )
      await life.run('subscription-renewal', 'subscription-renewal')
      expect(await life.periods()).toMatchObject([{ status: 'closed', end: new Date(APRIL) }])
      expect(await life.adjustments()).toEqual([])
      await eventually(
        () => life.events(),
        (types) => types.includes('subscription.cancelled'),
      )
    },
  )

  test('it can be withdrawn, and then the next period opens', async () => {
    const life = await Life.begin(veil, MARCH, { plan: plan(), other: plan({ flatFee: 1 }) })
    await life.ok('POST', '/cancel', {})
    for (const [path, body] of [
      ['/cancel', {}],
      ['/pause', undefined],
      ['/downgrade', { planId: life.plans.other }],
    ] as const)
      expect(await life.ask('POST', path, body)).toMatchObject({
        ...{ status: 409, body: { code: 'change_scheduled' } },
      })
    expect((await life.ok('POST', '/cancel-scheduled-change')).scheduled).toBeNull()
    await life.at('2027-04-02T00:00:00Z')
    await life.run('subscription-renewal')
    expect(await life.periods()).toHaveLength(2)
  })

  test('a downgrade that waited falls away', async () => {
    const life = await Life.begin(veil, MARCH, { plan: plan(), other: plan({ flatFee: 1 }) })
    await life.ok('POST', '/downgrade', { planId: life.plans.other })
    await life.ok('POST', '/cancel', {})
    await life.at('2027-05-01T00:00:00Z')
    await life.run('scheduled-plan-changes', 'subscription-renewal')
    expect(await life.periods()).toMatchObject([{ plan: 'plan' }])
  })
})

describe('at once, on the 16th of 31 days with 93 of 310 units used', () => {
  test.each([
    ['none', {}, null, { fee: 3_100, quota: 310 }],
    // 3100 × 16/31
    ['time', {}, -1_600, { fee: 3_100, quota: 150 }],
    // 3100 × 217/310
    ['consumption', {}, -2_170, { fee: 3_100, quota: 93 }],
    // What is not charged yet is lowered: 3100 × 15/31.
    ['time', { flatFeeTiming: 'arrears' }, null, { fee: 1_500, quota: 150 }],
  ] as const)('refund policy %s %j', async (refundPolicy, terms, amount, closed) => {
    const life = await Life.begin(
      veil,
      MARCH,
      { plan: plan({ refundPolicy, ...terms }) },
      upstreamUrl,
    )
    await life.at(MARCH_16)
    await life.use(93, new Date('2027-03-10T00:00:00Z'))
    expect(await life.ok('POST', '/cancel', { at: 'now' })).toMatchObject({
      ...{ status: 'cancelled', endedAt: MARCH_16, scheduled: null },
    })
    expect(await served()).not.toContain(life.keyId.slice(4))
    await eventually(
      () => statusOf(life),
      (status) => status === 401,
      1_000,
    )
    expect(await life.periods()).toMatchObject([
      { ...closed, status: 'closed', end: new Date(MARCH_16) },
    ])
    expect(await life.adjustments()).toEqual(
      amount === null ? [] : [{ code: 'cancellation_credit', amount }],
    )
    const told = await eventually(
      () => veil.container.sql`
        select type, payload from event_history where payload->>'subscriptionId' = ${life.id}`,
      (rows) => {
        const types = rows.map(({ type }) => type)
        return (
          types.includes('subscription.cancelled') &&
          types.includes('subscription.refund-due') === (amount !== null)
        )
      },
    )
    const due = told.filter(({ type }) => type === 'subscription.refund-due')
    expect(due.map(({ payload }) => payload)).toMatchObject(
      amount === null ? [] : [{ amount: -amount, currency: 'EUR', reason: 'cancelled' }],
    )
    const again = await life.ask('POST', '/cancel', { at: 'now' })
    expect(again).toMatchObject({ status: 409, body: { code: 'illegal_transition' } })
  })

  test('five times at once ends and credits once', async () => {
    const life = await Life.begin(veil, MARCH, { plan: plan({ refundPolicy: 'time' }) })
    await life.at(MARCH_16)
    const cancel = () => life.ask('POST', '/cancel', { at: 'now' })
    const answers = await Promise.all([cancel(), cancel(), cancel(), cancel(), cancel()])
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await life.adjustments()).toHaveLength(1)
  })

  test('calls that the edge let through meanwhile are booked in the last period', async () => {
    const life = await Life.begin(veil, MARCH, { plan: plan() })
    await life.at(MARCH_16)
    await life.ok('POST', '/cancel', { at: 'now' })
    await life.use(1, new Date('2027-03-16T00:00:00.900Z'))
  })

  test('the gateway being away keeps nothing: the edge refuses at once', async () => {
    const life = await Life.begin(veil, MARCH, { plan: plan() })
    await life.at(MARCH_16)
    process.kill(veil.caddy.pid, 'SIGKILL')
    try {
      expect((await life.ok('POST', '/cancel', { at: 'now' })).status).toBe('cancelled')
    } finally {
      await veil.caddy.restart()
    }
  })
})
