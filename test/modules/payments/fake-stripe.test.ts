import Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TestClock } from '#test/clock'
import { FakeStripe } from '#test/stripe/index'

/** The stand-in is held to what Stripe's documentation says, through Stripe's own library. */
const clock = new TestClock()
let fake: FakeStripe
let stripe: Stripe
let customer: string

beforeAll(async () => {
  fake = await FakeStripe.start(clock)
  stripe = clientWith(FakeStripe.SECRET_KEY)
})
afterAll(() => fake.stop())
beforeEach(async () => {
  fake.faults.clear()
  customer = (await stripe.customers.create({ email: 'ada@example.com' })).id
})

function clientWith(key: string): Stripe {
  const { hostname, port } = new URL(fake.url)
  return new Stripe(key, {
    ...{ host: hostname, port: Number(port), protocol: 'http', maxNetworkRetries: 0 },
    ...{ timeout: 500, telemetry: false },
  })
}

async function cardOf(token: string): Promise<string> {
  const setup = await stripe.setupIntents.create({ customer })
  return fake.confirmSetup(setup.id, token).payment_method
}
const intent = (method: string, key?: string, amount = 1_000) =>
  stripe.paymentIntents.create(
    { amount, currency: 'eur', customer, payment_method: method },
    key === undefined ? {} : { idempotencyKey: key },
  )
/** What a request is refused with; null when it is done. */
const refusal = (work: Promise<unknown>) =>
  work.then(
    () => null,
    ({ statusCode, code, type, decline_code }) => ({
      ...{ status: statusCode, code, type, decline: decline_code },
    }),
  )
const INVALID = 'StripeInvalidRequestError'

describe('requests', () => {
  test('a wrong key, an unknown parameter, a missing one and one that is no number are refused', async () => {
    expect(await refusal(clientWith('sk_test_other').customers.create({}))).toMatchObject({
      ...{ status: 401, type: 'StripeAuthenticationError' },
    })
    const odd = { email: 'a@b.c', colour: 'red' } as never
    expect(await refusal(stripe.customers.create(odd))).toMatchObject({
      ...{ status: 400, code: 'parameter_unknown', type: INVALID },
    })
    const missing = { amount: 5 } as never
    expect(await refusal(stripe.paymentIntents.create(missing))).toMatchObject({
      ...{ status: 400, code: 'parameter_missing' },
    })
    expect(
      await refusal(stripe.paymentIntents.create({ amount: 1.5, currency: 'eur' })),
    ).toMatchObject({ status: 400, code: 'parameter_invalid_integer' })
    expect(await refusal(stripe.customers.retrieve('cus_none'))).toMatchObject({
      ...{ status: 404, code: 'resource_missing' },
    })
  })

  test('under one key a request is done once; other parameters are refused', async () => {
    const method = await cardOf('pm_card_visa')
    const first = await intent(method, 'one')
    expect((await intent(method, 'one')).id).toBe(first.id)
    expect(await refusal(intent(method, 'one', 2_000))).toMatchObject({
      ...{ status: 400, type: 'StripeIdempotencyError' },
    })
  })

  test('while the first is running the second is told so', async () => {
    const method = await cardOf('pm_card_visa')
    let second: unknown
    fake.faults.inject('POST /v1/payment_intents', {
      kind: 'during',
      run: async () => {
        second = await refusal(intent(method, 'two'))
      },
    })
    await intent(method, 'two')
    expect(second).toMatchObject({ status: 409, code: 'idempotency_key_in_use' })
  })

  test('trouble on demand: before it is done, and after', async () => {
    const method = await cardOf('pm_card_visa')
    for (const status of [409, 429, 500, 503]) {
      fake.faults.inject('POST /v1/payment_intents', { kind: 'refuse', status })
      expect(await refusal(intent(method, `r${status}`))).toMatchObject({ status })
    }
    const before = fake.all('payment_intent').length
    fake.faults.inject('POST /v1/payment_intents', { kind: 'silent' })
    expect(await refusal(intent(method, 'slow'))).toMatchObject({ type: 'StripeConnectionError' })
    expect(fake.all('payment_intent')).toHaveLength(before)
    for (const kind of ['done-then-silent', 'done-then-reset'] as const)
      fake.faults.inject('POST /v1/payment_intents', { kind })
    for (const key of ['lost-1', 'lost-2']) await intent(method, key).catch(() => undefined)
    // The library itself may ask again when the line broke; the key sees to it that it is done once.
    expect(fake.all('payment_intent')).toHaveLength(before + 2)
  })
})

describe('payments', () => {
  test('a good card is charged once, however often it is confirmed', async () => {
    const { id } = await intent(await cardOf('pm_card_visa'))
    const paid = await stripe.paymentIntents.confirm(id, { off_session: true })
    expect(paid).toMatchObject({ status: 'succeeded', amount_received: 1_000 })
    expect(await refusal(stripe.paymentIntents.confirm(id, { off_session: true }))).toMatchObject({
      ...{ status: 400, code: 'payment_intent_unexpected_state' },
    })
    const charges = await stripe.charges.list({ payment_intent: id })
    expect(charges.data.map(({ amount, paid: took }) => [amount, took])).toEqual([[1_000, true]])
  })

  test.each([
    ['generic_decline', 'card_declined'],
    ['insufficient_funds', 'card_declined'],
    ['lost_card', 'card_declined'],
    ['expired_card', 'expired_card'],
    ['authentication_required', 'authentication_required'],
  ] as const)('a card that became %s is declined with %s', async (fate, code) => {
    const method = await cardOf('pm_card_visa')
    fake.cardBecomes(method, fate)
    const { id } = await intent(method)
    const confirmed = stripe.paymentIntents.confirm(id, { off_session: true })
    expect(await refusal(confirmed)).toEqual({
      ...{ status: 402, type: 'StripeCardError', code, decline: fate },
    })
    expect(await stripe.paymentIntents.retrieve(id)).toMatchObject({
      ...{ status: 'requires_payment_method', payment_method: null, amount_received: 0 },
    })
  })

  test('a card that is declined cannot be kept', async () => {
    const setup = await stripe.setupIntents.create({ customer })
    expect(() => fake.confirmSetup(setup.id, 'pm_card_chargeDeclined')).toThrow('declined')
    expect((await stripe.setupIntents.retrieve(setup.id)).last_setup_error?.decline_code).toBe(
      'generic_decline',
    )
  })

  test('what was paid can be given back, and not more', async () => {
    const { id } = await intent(await cardOf('pm_card_visa'))
    await stripe.paymentIntents.confirm(id, { off_session: true })
    await stripe.refunds.create({ payment_intent: id, amount: 400 })
    expect(await refusal(stripe.refunds.create({ payment_intent: id, amount: 601 }))).toMatchObject(
      { status: 400 },
    )
    await stripe.refunds.create({ payment_intent: id })
    expect(await refusal(stripe.refunds.create({ payment_intent: id }))).toMatchObject({
      ...{ status: 400, code: 'charge_already_refunded' },
    })
  })

  test('lists are read in pages, newest first', async () => {
    const method = await cardOf('pm_card_visa')
    const ids: string[] = []
    for (const amount of [1, 2, 3]) ids.push((await intent(method, `page-${amount}`, amount)).id)
    const found: string[] = []
    for await (const { id } of stripe.paymentIntents.list({ customer, limit: 2 })) found.push(id)
    expect(found).toEqual(ids.toReversed())
  })
})

test('events carry a signature that Stripe’s library takes', async () => {
  fake.events.endpoint = { url: 'http://127.0.0.1:9/', secret: FakeStripe.WEBHOOK_SECRET }
  const [event] = fake.events.of('customer.created')
  const body = JSON.stringify(event)
  const secret = FakeStripe.WEBHOOK_SECRET
  const receivedAt = clock.now().getTime()
  const read = (header: string) =>
    stripe.webhooks.constructEventAsync(body, header, secret, 300, undefined, receivedAt)
  expect(await read(fake.events.sign(body))).toMatchObject({ type: 'customer.created' })
  await expect(read(fake.events.sign(body, clock.now(), 'whsec_other'))).rejects.toThrow()
  const old = new Date(clock.now().getTime() - 301_000)
  await expect(read(fake.events.sign(body, old))).rejects.toThrow(/tolerance/)
})
