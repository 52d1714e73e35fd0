import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Id } from '#lib/id'
import { promotionCleanupJob } from '#modules/pricing'
import { type SeededSubscription, seedPeriod, seedSubscription } from '#test/seed'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let admin: TestUser
let consumer: TestUser
let provider: TestUser
let count = 0

beforeAll(async () => {
  veil = await TestVeil.start()
  admin = await veil.admin()
  consumer = await veil.user('consumer')
  provider = await veil.user('provider')
})
afterAll(() => veil.stop())

const newCode = () => `CODE-${++count}`
const make = (body: Record<string, unknown>, token = admin.token) =>
  veil.request('POST', '/admin/promotions', {
    token,
    body: { code: newCode(), type: 'percentage', value: '20', ...body },
  })
async function codeOf(terms: Record<string, unknown>): Promise<string> {
  const { status, body } = await make(terms)
  expect(status).toBe(201)
  return body.code
}
const now = () => veil.clock.now()

/** Redeems as subscribing does, in a transaction of its own. */
async function redeem(code: string, of: SeededSubscription, at = now()) {
  const { pricing, database } = veil.container
  const plans = await pricing.plansById([of.planId])
  const plan = plans.get(of.planId)!
  return database.db.transaction((tx) =>
    pricing.redeem(tx, { code, userId: of.userId, subscriptionId: of.subscriptionId, plan, at }),
  )
}
const seed = (options = {}) => seedSubscription(veil.container.database.db, options)
const refusalOf = (code: string, of: SeededSubscription) =>
  redeem(code, of).then(
    () => null,
    (error) => `${error.code}: ${error.message}`,
  )

describe('promotions of admins', () => {
  test('are made and listed, newest first', async () => {
    const terms = {
      type: 'fixed',
      value: '500',
      currency: 'EUR',
      cycles: 3,
      maxUses: 10,
      priority: 5,
    }
    const { status, body } = await make({ ...terms, code: 'FIVE-OFF', endsAt: '2199-01-01' })
    expect({ status, body }).toMatchObject({
      status: 201,
      body: {
        ...{ ...terms, code: 'FIVE-OFF', source: 'admin', uses: 0, stackable: true, apiId: null },
        endsAt: '2199-01-01T00:00:00.000Z',
      },
    })
    const list = await veil.expectOk('GET', '/admin/promotions', { token: admin.token })
    expect(list.items).toContainEqual(body)
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['more than all', { value: '100.5' }, '/value'],
    ['nothing', { value: '0' }, '/value'],
    ['an amount without currency', { type: 'fixed', value: '5' }, '/currency'],
    ['an upgrade to nothing', { type: 'tier_upgrade', value: undefined }, '/upgradeTo'],
    ['an end that has come already', { endsAt: '2020-01-01' }, '/endsAt'],
    ['an API that there is not', { api: 'nowhere' }, '/api'],
    ['an end before the beginning', { startsAt: '2030-02-01', endsAt: '2030-01-01' }, '/endsAt'],
    ['no use at all', { maxUses: 0 }, '/maxUses'],
    ['a code in small letters', { code: 'spring' }, '/code'],
  ])('are refused with %s', async (_name, terms, pointer) => {
    const { status, body } = await make(terms)
    expect(status).toBe(422)
    expect(body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
  })

  test('are refused with a code that there is, and to others', async () => {
    const code = await codeOf({})
    expect(await make({ code })).toMatchObject({
      status: 409,
      body: { code: 'promotion_code_taken' },
    })
    expect((await make({}, consumer.token)).status).toBe(403)
  })
})

describe('redeeming', () => {
  test('200 at once for 50 uses: exactly 50 have it', async () => {
    const code = await codeOf({ maxUses: 50 })
    const subscriptions: SeededSubscription[] = []
    for (let index = 0; index < 200; index++) subscriptions.push(await seed())
    const answers = await Promise.all(subscriptions.map((of) => refusalOf(code, of)))
    expect(answers.filter((answer) => answer === null)).toHaveLength(50)
    const refused = answers.filter((answer) => answer !== null)
    expect(new Set(refused)).toEqual(
      new Set([
        `promotion_refused: ${code} cannot be redeemed here: it was used as often as it may be.`,
      ]),
    )
    const [row] = await veil.container.sql`select uses, (select count(*)::int from
      promotion_redemptions where promotion_id = promotions.id) as redeemed
      from promotions where code = ${code}`
    expect(row).toEqual({ uses: 50, redeemed: 50 })
  })

  test('by one user at once, for two uses each: exactly two', async () => {
    const code = await codeOf({ maxUsesPerUser: 2 })
    const first = await seed()
    const more = await Promise.all(Array.from({ length: 9 }, () => seed({ userId: first.userId })))
    const answers = await Promise.all([first, ...more].map((of) => refusalOf(code, of)))
    expect(answers.filter((answer) => answer === null)).toHaveLength(2)
    expect(answers.filter((answer) => answer?.includes('you have used it'))).toHaveLength(8)
    expect(await refusalOf(code, await seed())).toBeNull()
  })

  test('first purchases of one user at once: only the very first is one', async () => {
    const code = await codeOf({ firstPurchase: true })
    const first = await seed()
    expect(await refusalOf(code, first)).toBeNull()
    expect(await refusalOf(code, await seed({ userId: first.userId }))).toContain('first purchase')
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['before it begins', { startsAt: '2190-01-01' }, 'it has not begun yet'],
    ['for another plan', { plan: 'other' }, 'it is for another plan'],
    ['in another currency', { currency: 'USD' }, 'it is for plans in another currency'],
    ['below its least fee', { currency: 'EUR', minimumFee: 1 }, 'the fee of this plan is too low'],
    [
      'for an upgrade to nothing',
      { type: 'tier_upgrade', value: undefined, upgradeTo: 'max' },
      'the plan that it gives is not above this one',
    ],
  ])('is refused %s', async (_name, terms, reason) => {
    expect(await refusalOf(await codeOf(terms), await seed())).toContain(reason)
  })

  test('is refused for another API, after its end, and for no code', async () => {
    const slug = `promoted-${++count}`
    await veil.publishedApi(
      provider,
      { slug, upstreamUrl: 'https://a.example' },
      { slug: 'small', name: 'Small', type: 'flat', flatFee: 500 },
    )
    expect(await refusalOf(await codeOf({ api: slug }), await seed())).toContain('another API')
    const over = await codeOf({ startsAt: '2020-01-01', endsAt: '2020-02-01' })
    const of = await seed()
    expect(await refusalOf(over, of)).toContain('it has ended')
    expect(await refusalOf('NOTHING', of)).toBe('promotion_unknown: There is no promotion NOTHING.')
  })

  test('two promotions stand beside each other when both may, and none twice', async () => {
    const [alone, one, two] = [
      await codeOf({ stackable: false }),
      await codeOf({ priority: 1 }),
      await codeOf({ priority: 2, type: 'fixed', value: '100', currency: 'EUR' }),
    ]
    const of = await seed()
    expect(await refusalOf(one, of)).toBeNull()
    expect(await refusalOf(one, of)).toContain('has it already')
    expect(await refusalOf(two, of)).toBeNull()
    expect(await refusalOf(alone, of)).toContain('cannot be combined')
    const other = await seed()
    expect(await refusalOf(alone, other)).toBeNull()
    expect(await refusalOf(one, other)).toContain('cannot be combined')
  })

  test('a trial and an upgrade change the subscription that begins', async () => {
    const trial = await codeOf({ type: 'free_trial', value: '30' })
    expect(await redeem(trial, await seed())).toEqual({ trialDays: 30, plan: null })
    const of = await seed()
    const { sql } = veil.container
    await sql`insert into pricing_models (id, api_id, slug, name, type, currency, billing_cycle, flat_fee,
      billable_statuses) values (uuidv7(), ${of.apiId.slice(4)}::uuid, 'max', 'Max', 'flat', 'EUR',
      'monthly', 9900, '[]')`
    const up = await codeOf({ type: 'tier_upgrade', value: undefined, upgradeTo: 'max', cycles: 1 })
    const { plan, trialDays } = await redeem(up, of)
    expect({ slug: plan?.slug, trialDays }).toEqual({ slug: 'max', trialDays: null })
  })

  test('what is given back can be redeemed again', async () => {
    const code = await codeOf({ maxUses: 1 })
    const of = await seed()
    expect(await refusalOf(code, of)).toBeNull()
    expect(await refusalOf(code, await seed())).toContain('as often as it may be')
    const { pricing, database } = veil.container
    await database.db.transaction((tx) => pricing.release(tx, of.subscriptionId))
    expect(await refusalOf(code, await seed())).toBeNull()
  })
})

describe('a redeemed promotion counts', () => {
  const BEGAN = new Date('2030-01-01')
  const day = (days: number) => new Date(BEGAN.getTime() + days * 86_400_000)
  const seedCycle = (days: number) => seed({ startsAt: BEGAN, endsAt: day(days) })
  const early = { startsAt: '2020-01-01' }
  const discountsOf = (of: SeededSubscription, id: Id<'per'>) =>
    veil.container.pricing.discountsFor(veil.container.database.db, of.subscriptionId, { id })
  const codes = async (of: SeededSubscription, id: Id<'per'>) =>
    (await discountsOf(of, id)).map(({ promotion }) => promotion)

  test('from its redemption on, for its cycles, the highest priority first', async () => {
    const of = await seedCycle(30)
    const forGood = await codeOf({ ...early, priority: 1, value: '12.5' })
    const once = await codeOf({
      ...early,
      type: 'free_units',
      value: '100',
      cycles: 1,
      priority: 9,
    })
    await redeem(once, of, BEGAN)
    await redeem(forGood, of, BEGAN)
    expect(await discountsOf(of, of.periodId)).toEqual([
      { kind: 'free_units', promotion: once, units: 100n },
      { kind: 'percentage', promotion: forGood, percent: { units: 125n, scale: 1 } },
    ])
    const { db } = veil.container.database
    const next = await seedPeriod(db, of, [day(30), day(60)], 1)
    expect(await codes(of, next)).toEqual([forGood])
    const both = await veil.container.pricing.discountsOfPeriods(db, [next, of.periodId])
    expect([...both].map(([id, discounts]) => [id, discounts.length]).toSorted()).toEqual(
      [
        [of.periodId, 2],
        [next, 1],
      ].toSorted(),
    )
  })

  test('in all parts of a cycle that was cut, and not in a trial', async () => {
    const of = await seedCycle(10)
    const code = await codeOf({ ...early, cycles: 1 })
    await redeem(code, of, BEGAN)
    const { database, sql } = veil.container
    const { db } = database
    const rest = await seedPeriod(db, of, [day(10), day(30)], 1)
    await sql`update billing_periods set cycle_starts_at = ${BEGAN}, cycle_ends_at = ${day(30)}
      where subscription_id = ${of.subscriptionId.slice(4)}::uuid`
    expect(await codes(of, rest)).toEqual([code])
    const next = await seedPeriod(db, of, [day(30), day(60)], 2)
    expect(await codes(of, next)).toEqual([])
    await sql`update billing_periods set kind = 'trial' where ordinal < 2
      and subscription_id = ${of.subscriptionId.slice(4)}::uuid`
    expect(await codes(of, next)).toEqual([code])
  })

  test('only on the plan that it is for', async () => {
    const of = await seedCycle(1)
    const [plan] = await veil.container.sql`select slug from pricing_models
      where id = ${of.planId.slice(5)}::uuid`
    const code = await codeOf({ ...early, plan: plan?.slug })
    await redeem(code, of, BEGAN)
    expect(await codes(of, of.periodId)).toEqual([code])
    const other = await seed()
    const period = { ...of, planId: other.planId }
    const { db } = veil.container.database
    expect(await codes(of, await seedPeriod(db, period, [day(1), day(2)], 1))).toEqual([])
  })

  test('as it was worth when it was redeemed', async () => {
    const of = await seedCycle(1)
    const code = await codeOf({ ...early })
    await redeem(code, of, BEGAN)
    await veil.container.sql`update promotions set value = 90 where code = ${code}`
    expect(await discountsOf(of, of.periodId)).toMatchObject([{ percent: { units: 20n } }])
  })
})

describe('over HTTP', () => {
  const SMALL = { slug: 'small', name: 'Small', type: 'flat', flatFee: 1000 }
  let planId: string
  let subscriptionId: string

  beforeAll(async () => {
    const upstreamUrl = 'https://a.example'
    const api = await veil.publishedApi(provider, { slug: 'sold', upstreamUrl }, SMALL)
    planId = api.planId
    const body = { api: 'sold', planId }
    const made = await veil.expectOk('POST', '/subscriptions', { token: consumer.token, body })
    subscriptionId = made.subscription.id
  })
  const validate = (body: unknown) => veil.request('POST', '/pricing/promotions/validate', { body })
  const apply = (body: unknown, token = consumer.token) =>
    veil.request('POST', '/pricing/promotions/apply', { token, body })

  test('validating says what a cycle would cost, and uses nothing', async () => {
    const code = await codeOf({ maxUses: 1, value: '12.5' })
    for (let again = 0; again < 3; again++)
      expect((await validate({ code, planId })).body).toMatchObject({
        ...{ valid: true, reason: null, promotion: { code, type: 'percentage', value: '12.5' } },
        cost: { total: 875, lines: [{ amount: 1000 }, { code: 'percentage', amount: -125 }] },
      })
  })

  test('validating says why not', async () => {
    const code = await codeOf({ plan: 'other' })
    const none = { promotion: null, cost: null }
    expect((await validate({ code, planId })).body).toEqual({
      ...{ code, valid: false, reason: 'other_plan', ...none },
    })
    const up = await codeOf({ type: 'tier_upgrade', value: undefined, upgradeTo: 'none' })
    expect((await validate({ code: up, planId })).body).toMatchObject({ reason: 'no_upgrade' })
    expect((await validate({ code: 'NOTHING', planId })).status).toBe(404)
    expect((await validate({ code, planId: 'plan_x' })).status).toBe(404)
    expect((await validate({ code: 'small letters', planId })).status).toBe(422)
  })

  test('applying counts from the next period on', async () => {
    const code = await codeOf({})
    const { status, body } = await apply({ code, subscriptionId })
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { subscriptionId, promotion: { code, value: '20' } },
    })
    expect(await apply({ code, subscriptionId })).toMatchObject({
      status: 409,
      body: { code: 'promotion_refused' },
    })
  })

  test('applying is refused for what changes only a beginning', async () => {
    const trial = await codeOf({ type: 'free_trial', value: '30' })
    const answer = await apply({ code: trial, subscriptionId })
    expect(answer.body.detail).toContain('it can only be redeemed when subscribing')
  })

  test('applying to what is not yours, or nothing, is 404', async () => {
    const code = await codeOf({})
    const stranger = await veil.user('consumer')
    for (const [id, token] of [
      [subscriptionId, stranger.token],
      ['sub_x', consumer.token],
      [`sub_${'0'.repeat(32)}`, consumer.token],
    ])
      expect(await apply({ code, subscriptionId: id }, token)).toMatchObject({
        status: 404,
        body: { code: 'subscription_not_running' },
      })
    expect((await apply({ code: 'NOTHING', subscriptionId })).status).toBe(404)
  })
})

test('the daily job deletes what nobody used, counts anew, and does nothing the second time', async () => {
  const { database, pricingSync, sql } = veil.container
  const job = promotionCleanupJob(database.db, pricingSync)
  const [unused, used, lost] = [await codeOf({}), await codeOf({}), await codeOf({ maxUses: 1 })]
  await redeem(used, await seed())
  const gone = await seed()
  await redeem(lost, gone)
  await sql`delete from promotion_redemptions where subscription_id = ${gone.subscriptionId.slice(4)}::uuid`
  await sql`update promotions set starts_at = '2000-01-01', ends_at = '2000-02-01'
    where code in (${unused}, ${used})`
  expect(await job.run(now())).toEqual({ deleted: 1, recounted: 1 })
  expect(await job.run(now())).toEqual({ deleted: 0, recounted: 0 })
  const rows =
    await sql`select code, uses from promotions where code in (${unused}, ${used}, ${lost})`
  expect(rows.map(({ code, uses }) => `${code} ${uses}`).toSorted()).toEqual(
    [`${used} 1`, `${lost} 0`].toSorted(),
  )
})
