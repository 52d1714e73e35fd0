import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, TestVeil } from '#test/veil'
import { day, Life } from './life-fixture'

let veil: TestVeil
let upstream: TestServer

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('upstream')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

/** March has 31 days: 15 are over on the 16th, 16 are left. */
const MARCH = '2027-03-01T00:00:00.000Z'
const MARCH_16 = '2027-03-16T00:00:00.000Z'
const APRIL = '2027-04-01T00:00:00.000Z'

const basic = (terms: object = {}) => ({
  ...{ flatFee: 3_100, quota: { limit: 310, hard: true } },
  ...terms,
})
const pro = (terms: object = {}) => ({
  ...{ flatFee: 9_300, quota: { limit: 930, hard: true } },
  ...terms,
})
const credit = (amount: number) => ({ code: 'plan_change_credit', amount })
const charge = (amount: number) => ({ code: 'plan_change_charge', amount })

describe('an upgrade on the 16th of a month of 31 days, by the mode of the plan', () => {
  /** 3100 × 16/31 = 1600; 9300 × 16/31 = 4800; 930 × 16/31 = 480; 310 × 15/31 = 150. */
  const CASES: {
    mode: string
    used?: number
    adjustments: { code: string; amount: number }[]
    closing: number
    opening: { start: string; end: string; fee: number; quota: number }
  }[] = [
    {
      ...{ mode: 'time', adjustments: [credit(-1_600), charge(4_800)], closing: 150 },
      opening: { start: '2027-03-16', end: '2027-04-01', fee: 0, quota: 480 },
    },
    {
      // 93 of 310 units used: 3100 × 217/310 = 2170.
      ...{ mode: 'consumption', used: 93, adjustments: [credit(-2_170), charge(4_800)] },
      ...{ closing: 93, opening: { start: '2027-03-16', end: '2027-04-01', fee: 0, quota: 480 } },
    },
    {
      // 30 % used, 48 % of the time over: time decides.
      ...{ mode: 'max_of_both', used: 93, adjustments: [credit(-1_600), charge(4_800)] },
      ...{ closing: 150, opening: { start: '2027-03-16', end: '2027-04-01', fee: 0, quota: 480 } },
    },
    {
      // 70 % used: 3100 × 93/310 = 930.
      ...{ mode: 'max_of_both', used: 217, adjustments: [credit(-930), charge(4_800)] },
      ...{ closing: 217, opening: { start: '2027-03-16', end: '2027-04-01', fee: 0, quota: 480 } },
    },
    {
      ...{ mode: 'none', adjustments: [], closing: 310 },
      opening: { start: '2027-03-16', end: '2027-04-01', fee: 0, quota: 480 },
    },
    {
      ...{ mode: 'full_reset', adjustments: [], closing: 310 },
      opening: { start: '2027-03-16', end: '2027-04-16', fee: 9_300, quota: 930 },
    },
  ]

  test.each(CASES)('$mode, $used units used', async ({ mode, used = 0, ...expected }) => {
    const terms = { prorationMode: mode }
    const life = await Life.begin(veil, MARCH, { basic: basic(terms), pro: pro() })
    await life.at(MARCH_16)
    if (used > 0) await life.use(used, new Date('2027-03-10T00:00:00Z'))
    const planId = life.plans.pro
    const preview = await life.ok('GET', `/plan-change/preview?planId=${planId}`)
    expect(await life.adjustments()).toEqual([])

    const changed = await life.ok('POST', '/upgrade', { planId })
    expect(changed.plan).toMatchObject({ id: planId })
    const [closed, opened, ...more] = await life.periods()
    expect(more).toEqual([])
    expect(closed).toMatchObject({ status: 'closed', fee: 3_100, quota: expected.closing })
    expect(day(closed?.end ?? new Date(0))).toBe('2027-03-16')
    const { start, end, ...money } = expected.opening
    expect(opened).toMatchObject({ ...money, status: 'open', plan: 'pro' })
    expect([opened?.start, opened?.end].map((at) => at && day(at))).toEqual([start, end])
    const adjustments = await life.adjustments()
    expect(adjustments).toEqual(expected.adjustments)

    const total = expected.adjustments.reduce((sum, { amount }) => sum + amount, 0)
    expect(preview).toMatchObject({
      ...{ kind: 'upgrade', prorationMode: mode, currency: 'EUR', total },
      effectiveAt: MARCH_16,
      closing: { flatFee: 3_100, quota: expected.closing },
      opening: { flatFee: money.fee, quota: money.quota },
    })
    expect(preview.adjustments.map(({ code, amount }: any) => ({ code, amount }))).toEqual(
      adjustments,
    )
    expect(await life.reasons()).toEqual(['subscribed', 'upgrade'])
  })

  test('next_period: nothing changes before the end of the month', async () => {
    const terms = { prorationMode: 'next_period' }
    const life = await Life.begin(veil, MARCH, { basic: basic(terms), pro: pro() })
    await life.at(MARCH_16)
    const planId = life.plans.pro
    const preview = await life.ok('GET', `/plan-change/preview?planId=${planId}`)
    expect(preview).toMatchObject({
      ...{ effectiveAt: APRIL, adjustments: [], total: 0, closing: null },
      opening: { start: APRIL, end: '2027-05-01T00:00:00.000Z', flatFee: 9_300, quota: 930 },
    })
    const { scheduled, plan } = await life.ok('POST', '/upgrade', { planId })
    expect(plan.id).toBe(life.plans.basic)
    expect(scheduled).toEqual({ kind: 'upgrade', at: APRIL, planId })
    await life.at(APRIL)
    await life.run('subscription-renewal', 'scheduled-plan-changes', 'subscription-renewal')
    expect(await life.periods()).toMatchObject([
      { plan: 'basic', fee: 3_100, quota: 310, status: 'closed' },
      { plan: 'pro', fee: 9_300, quota: 930, status: 'open', start: new Date(APRIL) },
    ])
    expect(await life.adjustments()).toEqual([])
  })
})

describe('a downgrade', () => {
  test('waits for the end of the period; withdrawn, it does not come', async () => {
    const life = await Life.begin(veil, MARCH, { pro: pro(), basic: basic() })
    const planId = life.plans.basic
    await life.at('2027-03-02T00:00:00Z')
    const { scheduled } = await life.ok('POST', '/downgrade', { planId })
    expect(scheduled).toEqual({ kind: 'downgrade', at: APRIL, planId })
    const refused = await life.ask('POST', '/downgrade', { planId })
    expect(refused).toMatchObject({ status: 409, body: { code: 'change_scheduled' } })
    await life.at('2027-03-03T00:00:00Z')
    expect((await life.ok('POST', '/cancel-scheduled-change')).scheduled).toBeNull()
    expect(await life.ask('POST', '/cancel-scheduled-change')).toMatchObject({
      ...{ status: 409, body: { code: 'nothing_scheduled' } },
    })
    await life.at('2027-04-02T00:00:00Z')
    await life.run('scheduled-plan-changes', 'subscription-renewal')
    expect((await life.periods()).map(({ plan }) => plan)).toEqual(['pro', 'pro'])
    expect(await life.reasons()).toEqual(['subscribed', 'change_scheduled', 'change_withdrawn'])
  })

  test('at once credits more than it charges', async () => {
    const life = await Life.begin(veil, MARCH, { pro: pro(), basic: basic() })
    await life.at(MARCH_16)
    await life.ok('POST', '/downgrade', { planId: life.plans.basic, at: 'now' })
    expect(await life.adjustments()).toEqual([credit(-4_800), charge(1_600)])
    expect(await life.periods()).toMatchObject([
      { plan: 'pro', quota: 450 },
      { plan: 'basic', fee: 0, quota: 160 },
    ])
  })

  test('comes after a downtime exactly where the period ended', async () => {
    const life = await Life.begin(veil, MARCH, { pro: pro(), basic: basic() })
    await life.ok('PUT', '', { planId: life.plans.basic })
    await life.at('2027-06-15T00:00:00Z')
    await Promise.all([life.run('subscription-renewal'), life.run('scheduled-plan-changes')])
    await life.run('subscription-renewal')
    const periods = await life.periods()
    expect(periods.map(({ plan, start }) => [plan, day(start)])).toEqual([
      ['pro', '2027-03-01'],
      ...['2027-04-01', '2027-05-01', '2027-06-01'].map((start) => ['basic', start]),
    ])
  })
})

test('another billing cycle begins at the change; the unused part of the old one is credited', async () => {
  const yearly = { flatFee: 30_000, billingCycle: 'yearly' }
  const life = await Life.begin(veil, MARCH, { basic: basic(), yearly })
  await life.at(MARCH_16)
  // 3100 a month are 37200 a year: the other plan is a downgrade.
  const planId = life.plans.yearly
  expect(await life.ask('POST', '/upgrade', { planId })).toMatchObject({
    ...{ status: 409, body: { code: 'wrong_direction' } },
  })
  await life.ok('POST', '/downgrade', { planId, at: 'now' })
  expect(await life.adjustments()).toEqual([credit(-1_600)])
  const [, opened] = await life.periods()
  expect(opened).toMatchObject({ fee: 30_000, start: new Date(MARCH_16) })
  expect(opened?.end).toEqual(new Date('2028-03-16T00:00:00Z'))
})

test('a fee in arrears is lowered instead of credited, and the rest charged with its period', async () => {
  const terms = { flatFeeTiming: 'arrears' }
  const life = await Life.begin(veil, MARCH, { basic: basic(terms), pro: pro(terms) })
  await life.at(MARCH_16)
  await life.ok('POST', '/upgrade', { planId: life.plans.pro })
  expect(await life.adjustments()).toEqual([])
  expect(await life.periods()).toMatchObject([{ fee: 1_500 }, { fee: 4_800 }])
})

test('back and forth gives back what was charged, never more', async () => {
  const life = await Life.begin(veil, MARCH, { basic: basic(), pro: pro() })
  const [basicId, proId] = [life.plans.basic, life.plans.pro]
  await life.at(MARCH_16)
  await life.ok('POST', '/upgrade', { planId: proId })
  await life.at('2027-03-24T00:00:00.000Z')
  await life.ok('POST', '/downgrade', { planId: basicId, at: 'now' })
  // 4800 were charged for 16 days, 8 are left; 3100 × 8/31 = 800.
  expect(await life.adjustments()).toEqual([
    ...[credit(-1_600), charge(4_800)],
    ...[credit(-2_400), charge(800)],
  ])
})

test('what was not paid is not credited: after a change without charge the old fee counts', async () => {
  const life = await Life.begin(veil, MARCH, {
    basic: basic({ prorationMode: 'none' }),
    pro: pro({ refundPolicy: 'time' }),
  })
  await life.at(MARCH_16)
  await life.ok('POST', '/upgrade', { planId: life.plans.pro })
  await life.at('2027-03-24T00:00:00.000Z')
  await life.ok('POST', '/cancel', { at: 'now' })
  // 1600 of basic were left for 16 days; 8 of them are unused.
  expect(await life.adjustments()).toEqual([{ code: 'cancellation_credit', amount: -800 }])
})

describe('is refused', () => {
  test('with what is wrong, and changes nothing', async () => {
    const life = await Life.begin(veil, MARCH, {
      basic: basic(),
      pro: pro(),
      dollars: { flatFee: 9_900, currency: 'USD' },
    })
    const other = await Life.publish(veil, MARCH, { other: pro() })
    const cases: [string | undefined, number, string][] = [
      [life.plans.basic, 409, 'same_plan'],
      [life.plans.dollars, 409, 'plan_currency_differs'],
      [other.plans.other, 404, 'plan_unknown'],
      ['plan_1', 404, 'plan_unknown'],
    ]
    for (const [planId, status, code] of cases)
      for (const [method, path] of [
        ['POST', '/upgrade'],
        ['POST', '/downgrade'],
        ['PUT', ''],
      ] as const)
        expect(await life.ask(method, path, { planId })).toMatchObject({ status, body: { code } })
    const down = await life.ask('POST', '/downgrade', { planId: life.plans.pro })
    expect(down).toMatchObject({ status: 409, body: { code: 'wrong_direction' } })
    expect((await life.ask('POST', '/upgrade', {})).status).toBe(422)
    const { token } = await veil.user('consumer')
    for (const [method, path, body] of [
      ['POST', '/upgrade', { planId: life.plans.pro }],
      ['PUT', '', { planId: life.plans.pro }],
      ['GET', `/plan-change/preview?planId=${life.plans.pro}`, undefined],
      ['GET', '/history', undefined],
      ['POST', '/cancel', {}],
      ['DELETE', '', undefined],
      ['POST', '/pause', undefined],
      ['POST', '/resume', undefined],
      ['POST', '/cancel-scheduled-change', undefined],
    ] as const)
      expect({
        path,
        ...(await veil.request(method, `/subscriptions/${life.id}${path}`, { token, body })),
      }).toMatchObject({ path, status: 404, body: { code: 'subscription_unknown' } })
    expect(await life.periods()).toHaveLength(1)
    expect(await life.reasons()).toEqual(['subscribed'])
  })

  test('where a mode is asked for that costs less than that of the plan', async () => {
    const life = await Life.begin(veil, MARCH, { basic: basic(), pro: pro() })
    await life.at(MARCH_16)
    const planId = life.plans.pro
    const cheaper = await life.ask('POST', '/upgrade', { planId, prorationMode: 'none' })
    expect(cheaper).toMatchObject({ status: 409, body: { code: 'proration_mode_refused' } })
    await life.ok('POST', '/upgrade', { planId, prorationMode: 'full_reset' })
    expect(await life.periods()).toMatchObject([{}, { fee: 9_300 }])
  })
})

test('a double click upgrades once', async () => {
  const life = await Life.begin(veil, MARCH, { basic: basic(), pro: pro() })
  await life.at(MARCH_16)
  const click = () => life.ask('POST', '/upgrade', { planId: life.plans.pro })
  const answers = await Promise.all([click(), click(), click(), click(), click()])
  expect(answers.map(({ status, body }) => body.code ?? status).sort()).toEqual([
    ...[200, 'same_plan', 'same_plan', 'same_plan', 'same_plan'],
  ])
  expect(await life.adjustments()).toEqual([credit(-1_600), charge(4_800)])
  expect(await life.periods()).toHaveLength(2)
})

test('the key stays the same, and the edge has the new limits within a second', async () => {
  const rateLimits = (limit: number) => [{ per: 'key', limit, window: 'day' }]
  const life = await Life.begin(
    veil,
    MARCH,
    {
      basic: basic({ rateLimits: rateLimits(1_000) }),
      pro: pro({ rateLimits: rateLimits(5_000) }),
    },
    `http://127.0.0.1:${upstream.port}`,
  )
  await life.at(MARCH_16)
  const policy = async () =>
    (await veil.call(`/${life.slug}`, life.key)).headers.get('ratelimit-policy') ?? ''
  expect(await policy()).toContain('q=1000;')
  await life.ok('POST', '/upgrade', { planId: life.plans.pro })
  const changed = await eventually(policy, (value) => value.includes('q=5000;'), 1_000)
  expect(changed).toContain('"quota";q=480;')
  const usage = await life.ok('GET', '/usage')
  expect(usage).toMatchObject({ quota: { limit: 480 }, cost: { total: 0 } })
})
