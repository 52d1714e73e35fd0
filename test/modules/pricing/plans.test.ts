import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let provider: TestUser
let count = 0

beforeAll(async () => {
  veil = await TestVeil.start()
  provider = await veil.user('provider')
})
afterAll(() => veil.stop())

async function draft(): Promise<string> {
  const body = { name: 'x', slug: `priced-${++count}`, upstreamUrl: 'https://a.example' }
  const { id } = await veil.expectOk('POST', '/provider/apis', { token: provider.token, body })
  return `/provider/apis/${id}`
}
const send = (method: string, path: string, body?: unknown) =>
  veil.request(method, path, { token: provider.token, body })
const addPlan = (path: string, body: unknown) => send('POST', `${path}/plans`, body)

const SMALL = { slug: 'small', name: 'Small', type: 'flat', flatFee: 500 }

describe('templates', () => {
  test('are those of the file, with the defaults filled in', async () => {
    const { body } = await veil.request('GET', '/pricing/templates')
    expect(body).toEqual([
      {
        ...{ slug: 'free', name: 'Free', type: 'free', currency: 'EUR', billingCycle: 'monthly' },
        ...{ flatFee: 0, rateLimits: [{ per: 'subscription', limit: 10, window: 'second' }] },
        ...{ quota: { limit: 1000, hard: true }, billableStatuses: [{ from: 200, to: 399 }] },
        ...{ flatFeeTiming: 'advance', charges: [], minimumFee: null, maximumFee: null },
        ...{ trial: null, operationWeights: [], rotateKeysAfterDays: null },
        ...{ prorationMode: 'time', refundPolicy: 'none' },
      },
      expect.objectContaining({
        slug: 'pro',
        flatFee: 2900,
        quota: { limit: 100_000, hard: false, overageRate: '0.05' },
      }),
      expect.objectContaining({ slug: 'starter', type: 'freemium', maximumFee: 5000 }),
      expect.objectContaining({ slug: 'pay-as-you-go', type: 'usage_based', minimumFee: 500 }),
      expect.objectContaining({
        ...{ slug: 'business', type: 'hybrid', rotateKeysAfterDays: 180 },
        trial: { days: 14, units: null, cardRequired: true },
      }),
    ])
  })

  test.each(['free', 'pro', 'starter', 'pay-as-you-go', 'business'])(
    '%s makes a plan',
    async (template) => {
      const path = await draft()
      const { status, body } = await addPlan(path, { template })
      const templates = await veil.expectOk('GET', '/pricing/templates')
      expect(status).toBe(201)
      expect(body).toMatchObject(templates.find(({ slug }: { slug: string }) => slug === template))
    },
  )

  test('make a plan; what is said overrides them', async () => {
    const path = await draft()
    expect((await addPlan(path, { template: 'pro' })).body).toMatchObject({
      ...{ slug: 'pro', name: 'Pro', type: 'flat', version: 1, status: 'active', flatFee: 2900 },
      quota: { limit: 100_000, hard: false, overageRate: '0.05' },
    })
    const over = { slug: 'pro-usd', flatFee: 9900, currency: 'USD', quota: null, rateLimits: [] }
    const second = await addPlan(path, { template: 'pro', ...over, billingCycle: 'yearly' })
    expect(second.body).toMatchObject({ ...over, name: 'Pro', billingCycle: 'yearly' })
    const { body } = await send('GET', `${path}/plans`)
    expect(body.map(({ slug }: { slug: string }) => slug)).toEqual(['pro', 'pro-usd'])
  })
})

test.each(['0.05', '10', '100', '0.000000000001', '999999999999.999999999999', '12.5'])(
  'the rate %s comes back as it was given',
  async (overageRate) => {
    const quota = { limit: 10, hard: false, overageRate }
    const { body } = await addPlan(await draft(), { ...SMALL, quota })
    expect(body.quota).toEqual(quota)
  },
)

const GRADUATED = {
  ...{ model: 'graduated', freeUnits: 100 },
  tiers: [
    { upTo: 1000, unitRate: '0.5', flatFee: 0 },
    { upTo: null, unitRate: '0.25', flatFee: 30 },
  ],
}

describe('every type of plan comes back as it was given', () => {
  test.each<[string, Record<string, unknown>]>([
    ['free', { flatFee: 0 }],
    ['freemium', { flatFee: 0, charges: [{ model: 'per_unit', freeUnits: 10, unitRate: '0.05' }] }],
    ['freemium', { flatFee: 0, quota: { limit: 10, hard: false, overageRate: '0.05' } }],
    [
      'flat',
      {
        flatFee: 2900,
        flatFeeTiming: 'arrears',
        trial: { days: 14, units: 500, cardRequired: true },
      },
    ],
    ['usage_based', { flatFee: 0, charges: [GRADUATED], minimumFee: 500, maximumFee: 90_000 }],
    [
      'hybrid',
      {
        ...{ flatFee: 900, prorationMode: 'max_of_both', refundPolicy: 'consumption' },
        charges: [
          { ...GRADUATED, model: 'volume' },
          { model: 'package', freeUnits: 0, packageSize: 1000, packagePrice: 250 },
        ],
        operationWeights: [{ operation: 'POST /images/**', units: 5 }],
        rotateKeysAfterDays: 90,
      },
    ],
  ])('%s', async (type, terms) => {
    const path = await draft()
    const made = await addPlan(path, { slug: 'x', name: 'X', type, ...terms })
    expect(made).toMatchObject({ status: 201, body: { type, ...terms } })
    expect((await send('GET', `${path}/plans`)).body).toEqual([made.body])
  })

  test('what may be left out of a charge and a trial is filled in', async () => {
    const charges = [
      { model: 'per_unit', unitRate: '1' },
      { model: 'volume', tiers: [{ upTo: 10, unitRate: '2' }, { unitRate: '1' }] },
      { model: 'package', packageSize: 10, packagePrice: 5 },
    ]
    const over = { type: 'hybrid', charges, trial: { days: 7 } }
    const { body } = await addPlan(await draft(), { ...SMALL, ...over })
    expect(body.trial).toEqual({ days: 7, units: null, cardRequired: false })
    expect(body.charges).toEqual([
      { model: 'per_unit', freeUnits: 0, unitRate: '1' },
      {
        ...{ model: 'volume', freeUnits: 0 },
        tiers: [
          { upTo: 10, unitRate: '2', flatFee: 0 },
          { upTo: null, unitRate: '1', flatFee: 0 },
        ],
      },
      { model: 'package', freeUnits: 0, packageSize: 10, packagePrice: 5 },
    ])
  })

  test('a new version has prices of its own, the old one keeps its', async () => {
    const path = await draft()
    const usage = { slug: 'x', name: 'X', type: 'usage_based' }
    const charges = (unitRate: string) => [{ model: 'per_unit', freeUnits: 0, unitRate }]
    const { body: old } = await addPlan(path, { ...usage, charges: charges('1') })
    const revised = await send('PUT', `${path}/plans/${old.id}`, {
      ...usage,
      charges: charges('2'),
    })
    expect(revised.body).toMatchObject({ version: 2, charges: charges('2') })
    const [row] = await veil.container.sql`select unit_rate::float8 as rate from pricing_tiers
      where pricing_model_id = ${old.id.slice(5)}::uuid`
    expect(row?.rate).toBe(1)
  })
})

describe('is refused', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['nothing at all', {}, '/slug'],
    ['a plan without name', { ...SMALL, name: undefined }, '/name'],
    ['a blank name', { ...SMALL, name: ' ' }, '/name'],
    ['a name with U+0000', { ...SMALL, name: 'a\u0000' }, '/name'],
    ['a slug with a space', { ...SMALL, slug: 'a b' }, '/slug'],
    ...['none', '__proto__', 'constructor', 'toString'].map(
      (template): [string, Record<string, unknown>, string] => [
        `the template ${template}`,
        { template },
        '/template',
      ],
    ),
    ['a free plan with a fee', { ...SMALL, type: 'free' }, '/flatFee'],
    ['a flat plan without', { ...SMALL, flatFee: 0 }, '/flatFee'],
    ['a negative fee', { ...SMALL, flatFee: -1 }, '/flatFee'],
    ['a fraction of a cent', { ...SMALL, flatFee: 0.5 }, '/flatFee'],
    ['a fee beyond exact numbers', { ...SMALL, flatFee: 2 ** 53 }, '/flatFee'],
    ['a fee in words', { ...SMALL, flatFee: '500' }, '/flatFee'],
    ['a currency that is not sold in', { ...SMALL, currency: 'JPY' }, '/currency'],
    ['a currency that is none', { ...SMALL, currency: 'eur' }, '/currency'],
    [
      'a usage-based plan without charge',
      { ...SMALL, type: 'usage_based', flatFee: 0 },
      '/charges',
    ],
    ['a flat plan with charges', { ...SMALL, charges: [GRADUATED] }, '/charges'],
    [
      'tiers that overlap',
      {
        ...{ ...SMALL, type: 'hybrid' },
        charges: [{ ...GRADUATED, tiers: [...GRADUATED.tiers, { upTo: 5, unitRate: '1' }] }],
      },
      '/charges/0/tiers/1/upTo',
    ],
    [
      'a charge without price',
      { ...SMALL, type: 'hybrid', charges: [{ model: 'per_unit' }] },
      '/charges/0',
    ],
    ['a trial of no day', { ...SMALL, trial: { days: 0 } }, '/trial'],
    [
      'a weight of no operation',
      { ...SMALL, operationWeights: [{ operation: 'images', units: 5 }] },
      '/operationWeights/0/operation',
    ],
    ['a mode of proration that is none', { ...SMALL, prorationMode: 'fair' }, '/prorationMode'],
    ['a quota of nothing', { ...SMALL, quota: { limit: 0, hard: true } }, '/quota'],
    [
      'a hard quota with a rate',
      { ...SMALL, quota: { limit: 1, hard: true, overageRate: '1' } },
      '/quota/overageRate',
    ],
    [
      'a free plan with a rate',
      { ...SMALL, type: 'free', flatFee: 0, quota: { limit: 1, hard: false, overageRate: '1' } },
      '/quota/overageRate',
    ],
    [
      'a negative rate',
      { ...SMALL, quota: { limit: 1, hard: false, overageRate: '-1' } },
      '/quota',
    ],
    [
      'a rate with 13 places',
      { ...SMALL, quota: { limit: 1, hard: false, overageRate: '0.0000000000001' } },
      '/quota',
    ],
    [
      'a rate as a number',
      { ...SMALL, quota: { limit: 1, hard: false, overageRate: 0.5 } },
      '/quota',
    ],
    [
      'a reversed range',
      { ...SMALL, billableStatuses: [{ from: 400, to: 399 }] },
      '/billableStatuses',
    ],
    ['nothing billable', { ...SMALL, billableStatuses: [] }, '/billableStatuses'],
    [
      'a status that is none',
      { ...SMALL, billableStatuses: [{ from: 1, to: 399 }] },
      '/billableStatuses/0/from',
    ],
    [
      'a limit of no calls',
      { ...SMALL, rateLimits: [{ per: 'key', limit: 0, window: 'second' }] },
      '/rateLimits/0/limit',
    ],
    [
      'a window that is none',
      { ...SMALL, rateLimits: [{ per: 'key', limit: 1, window: 'week' }] },
      '/rateLimits/0/window',
    ],
    ['a cycle that is none', { ...SMALL, billingCycle: 'hourly' }, '/billingCycle'],
    ['a property that there is not', { ...SMALL, discount: 5 }, '/discount'],
  ])('%s', async (_name, body, pointer) => {
    const answer = await addPlan(await draft(), body)
    expect(answer.status).toBe(422)
    const pointers = answer.body.errors.map((error: { pointer: string }) => error.pointer)
    expect(pointers).toContain(pointer)
  })

  test('a slug that the API has already, also of two at once', async () => {
    const path = await draft()
    const answers = await Promise.all(Array.from({ length: 5 }, () => addPlan(path, SMALL)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409])
    expect(await addPlan(path, SMALL)).toMatchObject({
      status: 409,
      body: { code: 'plan_slug_taken' },
    })
  })
})

describe('a new version', () => {
  test('takes the place of the old one', async () => {
    const path = await draft()
    const { body: old } = await addPlan(path, SMALL)
    const revised = await send('PUT', `${path}/plans/${old.id}`, {
      ...SMALL,
      slug: 'x',
      flatFee: 900,
    })
    expect(revised).toMatchObject({
      status: 200,
      body: { slug: 'small', version: 2, flatFee: 900 },
    })
    expect(revised.body.id).not.toBe(old.id)
    expect((await send('GET', `${path}/plans`)).body).toEqual([revised.body])
    const again = await send('PUT', `${path}/plans/${old.id}`, SMALL)
    expect(again).toMatchObject({ status: 404, body: { code: 'plan_unknown' } })
  })

  test('of five at once, one is made', async () => {
    const path = await draft()
    const { body: old } = await addPlan(path, SMALL)
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, n) =>
        send('PUT', `${path}/plans/${old.id}`, { ...SMALL, flatFee: 600 + n }),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404])
    const { body } = await send('GET', `${path}/plans`)
    expect(body).toMatchObject([{ version: 2 }])
  })

  test('of the plan of another API is none', async () => {
    const { body: plan } = await addPlan(await draft(), SMALL)
    const answer = await send('PUT', `${await draft()}/plans/${plan.id}`, SMALL)
    expect(answer).toMatchObject({ status: 404, body: { code: 'plan_unknown' } })
  })
})

describe('calculating', () => {
  test('says the lines, to the cent', async () => {
    const { planId } = await veil.publishedApi(
      provider,
      { slug: 'calculated', upstreamUrl: 'https://a.example' },
      { ...SMALL, quota: { limit: 10, hard: false, overageRate: '0.5' } },
    )
    const total = async (units: number) =>
      (await veil.expectOk('POST', '/pricing/calculate', { body: { planId, units } })).total
    expect(await Promise.all([0, 10, 11, 12, 13, 14].map(total))).toEqual([
      500, 500, 501, 501, 502, 502,
    ])
    const { lines } = await veil.expectOk('POST', '/pricing/calculate', {
      body: { planId, units: 13 },
    })
    expect(lines).toMatchObject([
      { code: 'flat_fee', quantity: 1, amount: 500 },
      { code: 'overage', quantity: 3, amount: 2, explain: '(13 − 10) × 0.5' },
    ])
    for (const units of [-1, 1.5, '1', 2 ** 53, null])
      expect(
        (await veil.request('POST', '/pricing/calculate', { body: { planId, units } })).status,
      ).toBe(422)
  })
})
