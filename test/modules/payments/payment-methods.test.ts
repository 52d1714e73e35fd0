import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { FakeStripe } from '#test/stripe/index'
import { eventually, type TestUser, TestVeil } from '#test/veil'
import { addCard, startWithStripe } from './payments-fixture'

let veil: TestVeil
let stripe: FakeStripe
let consumer: TestUser

beforeAll(async () => {
  ;({ veil, stripe } = await startWithStripe())
})
afterAll(async () => {
  await stripe.stop()
  await veil.stop()
})
beforeEach(async () => {
  stripe.faults.clear()
  consumer = await veil.user('consumer')
})

const ask = (method: string, path: string) => veil.request(method, path, { token: consumer.token })
const cards = async () => (await ask('GET', '/payments/methods')).body.items
const lastFours = async () => (await cards()).map(({ lastFour }: any) => lastFour)

describe('cards', () => {
  test('a card is there when Stripe says so; the newest is charged', async () => {
    expect(await cards()).toEqual([])
    const visa = await addCard({ veil, stripe }, consumer)
    expect(visa).toEqual({
      ...{ id: expect.stringMatching(/^pm_[0-9a-f]{32}$/), brand: 'visa', lastFour: '4242' },
      ...{ expiryMonth: 12, expiryYear: 2040, isDefault: true },
      createdAt: expect.any(String),
    })
    veil.clock.advance(60_000)
    await addCard({ veil, stripe }, consumer, 'pm_card_mastercard')
    expect((await cards()).map(({ brand, isDefault }: any) => [brand, isDefault])).toEqual([
      ['mastercard', true],
      ['visa', false],
    ])
    const { paymentMethods, database } = veil.container
    expect(await paymentMethods.hasMethod(database.db, consumer.id as never)).toBe(true)
  })

  test('a card that the bank refuses is not there', async () => {
    const { body } = await ask('POST', '/payments/methods/setup')
    expect(() => stripe.confirmSetup(body.setupIntentId, 'pm_card_chargeDeclined')).toThrow()
    await stripe.events.settle()
    expect(await cards()).toEqual([])
  })

  test('a removed card is gone here and at Stripe; removed twice, or another’s, it is 404', async () => {
    const { id } = await addCard({ veil, stripe }, consumer)
    const stranger = await veil.user('consumer')
    const path = `/payments/methods/${id}`
    const refused = await veil.request('DELETE', path, { token: stranger.token })
    expect(refused).toMatchObject({ status: 404, body: { code: 'payment_method_unknown' } })
    expect((await ask('DELETE', path)).status).toBe(204)
    expect(await cards()).toEqual([])
    expect((await ask('DELETE', path)).status).toBe(404)
    expect((await ask('DELETE', '/payments/methods/pm_1')).status).toBe(404)
    const detached = stripe.events.of('payment_method.detached')
    expect(detached).toHaveLength(1)
  })

  test('a card that was taken away at Stripe is gone here', async () => {
    await addCard({ veil, stripe }, consumer)
    const [method] = stripe.all('payment_method').toReversed()
    stripe.detachElsewhere(method!.id)
    await eventually(cards, (items) => items.length === 0)
  })

  test('two beginnings at once make one customer', async () => {
    const before = stripe.all('customer').length
    const setUp = () => ask('POST', '/payments/methods/setup')
    const answers = await Promise.all([setUp(), setUp()])
    // The second may be told that the first is under way.
    for (const { status } of answers) expect([201, 503]).toContain(status)
    expect((await setUp()).status).toBe(201)
    expect(stripe.all('customer').length - before).toBe(1)
    const [customer] = stripe.all('customer').toReversed()
    expect(customer).toMatchObject({ email: null, metadata: { user_id: consumer.id } })
  })

  test('while Stripe is away it is 503, and nothing is half done', async () => {
    stripe.faults.inject('POST /v1/customers', { kind: 'done-then-silent' })
    const away = await ask('POST', '/payments/methods/setup')
    expect(away).toMatchObject({ status: 503, body: { code: 'payment_provider_away' } })
    const customers = stripe.all('customer').length
    expect((await ask('POST', '/payments/methods/setup')).status).toBe(201)
    expect(stripe.all('customer')).toHaveLength(customers)
  })
})

describe('events', () => {
  test('forged, unsigned and old ones are refused and leave no trace', async () => {
    const body = JSON.stringify({
      ...{ id: 'evt_forged', object: 'event', type: 'setup_intent.succeeded' },
      data: { object: { id: 'seti_1', object: 'setup_intent' } },
    })
    const now = veil.clock.now()
    const signatures = [
      '',
      'nonsense',
      stripe.events.sign(body, now, 'whsec_other'),
      stripe.events.sign(`${body} `, now),
      stripe.events.sign(body, new Date(now.getTime() - 301_000)),
    ]
    for (const signature of signatures) {
      const response = await post(body, signature)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ code: 'webhook_signature_invalid' })
    }
    for (const odd of ['{}', 'no json', '[]']) {
      const response = await post(odd, stripe.events.sign(odd, now))
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ code: 'webhook_malformed' })
    }
    const large = 'x'.repeat(600_000)
    expect((await post(large, stripe.events.sign(large, now))).status).toBe(413)
    expect(await inbox("external_id = 'evt_forged'")).toEqual([])
  })

  test('one that comes five times is in the inbox once, and is handled once', async () => {
    await addCard({ veil, stripe }, consumer)
    const [event] = stripe.events.of('setup_intent.succeeded').toReversed()
    const statuses = await Promise.all(
      Array.from({ length: 5 }, () => stripe.events.deliver(event!)),
    )
    expect(statuses).toEqual([200, 200, 200, 200, 200])
    expect(await inbox(`external_id = '${event!.id}'`)).toHaveLength(1)
    expect(await lastFours()).toEqual(['4242'])
  })

  test('whatever the order in which they come, the last look is right', async () => {
    const { body } = await ask('POST', '/payments/methods/setup')
    stripe.events.isHolding = true
    const from = stripe.events.all.length
    const { payment_method: method } = stripe.confirmSetup(body.setupIntentId, 'pm_card_visa')
    stripe.detachElsewhere(method)
    stripe.events.isHolding = false
    for (const event of stripe.events.all.slice(from).toReversed())
      await stripe.events.deliver(event)
    const waiting = () => inbox("handled_at is null and type like 'payment_method.%'")
    await eventually(waiting, (rows) => rows.length === 0)
    expect(await cards()).toEqual([])
  })

  test('nothing of a card or a person is kept of an event, nor logged', async () => {
    await addCard({ veil, stripe }, consumer)
    const kept = JSON.stringify(await inbox('true')) + veil.logs.join('')
    for (const secret of ['last4', 'exp_year', '_secret_fake', 'sk_test_fake', 'whsec_fake'])
      expect(kept).not.toContain(secret)
  })

  const post = (body: string, signature: string) =>
    fetch(`${veil.url}/payments/webhooks/stripe`, {
      ...{ method: 'POST', body },
      headers: { 'content-type': 'application/json', 'stripe-signature': signature },
    })
  const inbox = (condition: string) =>
    veil.database.sql.unsafe(`select * from webhook_inbox where ${condition}`)
})

test('without keys of Stripe there are no cards, and nothing pretends', async () => {
  const manual = await TestVeil.start()
  const { token } = await manual.user('consumer')
  expect((await manual.expectOk('GET', '/payments/methods', { token })).items).toEqual([])
  const refused = await manual.request('POST', '/payments/methods/setup', { token })
  expect(refused).toMatchObject({ status: 409, body: { code: 'payments_manual' } })
  const event = await fetch(`${manual.url}/payments/webhooks/stripe`, {
    method: 'POST',
    body: '{}',
  })
  expect(event.status).toBe(409)
  await manual.stop()
})
