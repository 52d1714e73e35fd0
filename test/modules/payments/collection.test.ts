import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { FakeStripe } from '#test/stripe/index'
import { eventually, type TestUser, TestVeil } from '#test/veil'
import {
  addCard,
  balances,
  invoiceRow,
  type Owed,
  owe,
  paymentsOf,
  signInAgain,
  startWithStripe,
} from './payments-fixture'

let veil: TestVeil
let stripe: FakeStripe
let consumer: TestUser
let admin: TestUser

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
  admin = await veil.admin()
})

const pay = (invoice: Owed, body: object = {}, headers: Record<string, string> = {}) =>
  veil.request('POST', '/payments', {
    ...{ token: consumer.token, headers },
    body: { invoiceId: invoice.id, ...body },
  })
const resume = () =>
  veil.expectOk('POST', '/admin/jobs/payment-collection/run', { token: admin.token })
const settled = (invoice: Owed) =>
  paymentsOf(veil, consumer, invoice, (all) => all.length > 0 && all[0].status !== 'pending')
const charges = ({ id }: Owed) => stripe.charges().filter((one) => one.metadata.invoice_id === id)
const idOfCard = () => stripe.all('payment_method').at(-1)!.id

describe('an invoice is collected', () => {
  test('by itself, from the card: once, to the cent, and booked', async () => {
    await addCard({ veil, stripe }, consumer)
    const cash = (await balances(veil, 'cash')).EUR ?? 0
    const invoice = await owe(veil, consumer)
    expect(await settled(invoice)).toEqual([
      {
        ...{ id: expect.stringMatching(/^pay_/), invoiceId: invoice.id, status: 'succeeded' },
        ...{ channel: 'card', methodId: expect.stringMatching(/^pm_/), currency: 'EUR' },
        ...{ amount: 11_900, amountRefunded: 0, amountDisputed: 0, attempt: 1, failureCode: null },
        ...{ createdAt: expect.any(String), settledAt: expect.any(String) },
      },
    ])
    expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 11_900, due: 0 })
    expect(charges(invoice)).toMatchObject([{ amount: 11_900, currency: 'eur' }])
    expect(await balances(veil, 'cash')).toMatchObject({ EUR: cash + 11_900 })
    const again = await pay(invoice)
    expect(again).toMatchObject({ status: 409, body: { code: 'invoice_settled' } })
  })

  test('in its own currency', async () => {
    await addCard({ veil, stripe }, consumer)
    const [euros, dollars] = [
      await owe(veil, consumer),
      await owe(veil, consumer, { currency: 'USD' }),
    ]
    expect((await settled(euros))[0]).toMatchObject({ status: 'succeeded', currency: 'EUR' })
    expect((await settled(dollars))[0]).toMatchObject({ status: 'succeeded', currency: 'USD' })
    expect(charges(dollars)).toMatchObject([{ amount: 11_900, currency: 'usd' }])
    expect(await balances(veil, 'cash')).toMatchObject({ USD: 11_900 })
  })

  test('not without a card; with one the job finds it', async () => {
    const invoice = await owe(veil, consumer)
    await eventually(resume, ({ counts }) => counts !== undefined)
    expect(await paymentsOf(veil, consumer, invoice)).toEqual([])
    await addCard({ veil, stripe }, consumer)
    veil.clock.advance(120_000)
    await resume()
    expect((await settled(invoice))[0]).toMatchObject({ status: 'succeeded' })
    expect(charges(invoice)).toHaveLength(1)
  })

  test('a card that is declined is told of, and another one pays', async () => {
    await addCard({ veil, stripe }, consumer)
    stripe.cardBecomes(idOfCard(), 'insufficient_funds')
    const invoice = await owe(veil, consumer)
    expect(await settled(invoice)).toMatchObject([
      { status: 'failed', failureCode: 'insufficient_funds', attempt: 1 },
    ])
    const refused = await pay(invoice)
    expect(refused).toMatchObject({ status: 402, body: { code: 'payment_declined' } })
    expect(refused.body.detail).toContain('insufficient funds')
    veil.clock.advance(60_000)
    await addCard({ veil, stripe }, consumer, 'pm_card_mastercard')
    expect((await pay(invoice)).body).toMatchObject({ status: 'succeeded', attempt: 3 })
    expect(charges(invoice)).toHaveLength(1)
    const mails = await veil.expectOk('GET', '/admin/mails?limit=100', { token: admin.token })
    const subjects = mails.items
      .filter(({ to }: any) => to === consumer.email)
      .map(({ subject }: any) => subject)
    expect(subjects.filter((text: string) => /failed$/.test(text))).toHaveLength(2)
  })
})

describe('nothing is charged twice', () => {
  test('twenty at once, each under a key of its own, charge once', async () => {
    await addCard({ veil, stripe }, consumer)
    const invoice = await owe(veil, consumer)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => pay(invoice, {}, { 'idempotency-key': `click-${n}` })),
    )
    for (const { status, body } of answers)
      expect([200, 409]).toContain(status === 200 ? 200 : body.code === 'invoice_settled' ? 409 : 0)
    await settled(invoice)
    expect(charges(invoice)).toHaveLength(1)
    expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 11_900 })
  })

  test('under one key the first answer is given again', async () => {
    await addCard({ veil, stripe }, consumer)
    stripe.cardBecomes(idOfCard(), 'generic_decline')
    const invoice = await owe(veil, consumer)
    await settled(invoice)
    const key = { 'idempotency-key': 'again' }
    const first = await pay(invoice, {}, key)
    stripe.cardBecomes(idOfCard(), null)
    const second = await pay(invoice, {}, key)
    expect([first.status, second.status]).toEqual([402, 402])
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(charges(invoice)).toEqual([])
  })

  test.each([
    ['the payment is made and the answer lost', 'POST /v1/payment_intents', 'done-then-silent'],
    ['the line breaks after it was made', 'POST /v1/payment_intents', 'done-then-reset'],
    ['it is charged and the answer lost', 'POST /v1/payment_intents/*/confirm', 'done-then-silent'],
    ['the line breaks after the charge', 'POST /v1/payment_intents/*/confirm', 'done-then-reset'],
    ['nothing arrives', 'POST /v1/payment_intents/*/confirm', 'silent'],
  ] as const)('%s: looked at, and charged once', async (_, request, kind) => {
    await addCard({ veil, stripe }, consumer)
    stripe.events.isHolding = true
    stripe.faults.inject(request, { kind })
    const invoice = await owe(veil, consumer)
    await settled(invoice).catch(() => undefined)
    veil.clock.advance(120_000)
    await resume()
    stripe.events.isHolding = false
    expect((await settled(invoice)).map(({ status }) => status)).toEqual(['succeeded'])
    expect(charges(invoice)).toHaveLength(1)
    expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 11_900 })
  })

  test.each([
    [409, 'POST /v1/payment_intents'],
    [429, 'POST /v1/payment_intents/*/confirm'],
    [500, 'POST /v1/payment_intents/*/confirm'],
    [503, 'POST /v1/customers'],
  ])('%d of %s is tried again, and charged once', async (status, request) => {
    await addCard({ veil, stripe }, consumer)
    stripe.faults.inject(request, { kind: 'refuse', status }, 2)
    const invoice = await owe(veil, consumer)
    expect((await settled(invoice)).map(({ status }) => status)).toEqual(['succeeded'])
    expect(charges(invoice)).toHaveLength(1)
  })

  test('an event of Stripe finishes a payment whose answer was lost', async () => {
    await addCard({ veil, stripe }, consumer)
    stripe.faults.inject('POST /v1/payment_intents/*/confirm', { kind: 'done-then-silent' })
    const invoice = await owe(veil, consumer)
    expect((await settled(invoice))[0]).toMatchObject({ status: 'succeeded' })
    for (const event of stripe.events.of('payment_intent.succeeded').slice(-1))
      for (let times = 0; times < 3; times++) await stripe.events.deliver(event)
    expect(charges(invoice)).toHaveLength(1)
    expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 11_900 })
  })

  test('what Stripe does not make for an hour is given up, and tried anew', async () => {
    await addCard({ veil, stripe }, consumer)
    stripe.faults.inject('POST /v1/payment_intents', { kind: 'refuse', status: 500 }, 1_000)
    const invoice = await owe(veil, consumer)
    await paymentsOf(veil, consumer, invoice, (all) => all.length === 1)
    veil.clock.advance(2 * 3_600_000)
    admin = await veil.admin()
    consumer = await signInAgain(veil, consumer)
    await resume()
    expect(await settled(invoice)).toMatchObject([{ failureCode: 'provider_unavailable' }])
    stripe.faults.clear()
    expect((await pay(invoice)).body).toMatchObject({ status: 'succeeded' })
    expect(charges(invoice)).toHaveLength(1)
  })
})

describe('a page to pay on', () => {
  test('is what somebody without a card gets; paid there, the card is kept', async () => {
    const invoice = await owe(veil, consumer)
    const { status, body } = await pay(invoice)
    expect({ status, ...body }).toMatchObject({
      ...{ status: 'pending', channel: 'checkout', methodId: null },
      checkoutUrl: expect.stringMatching(/^https:\/\/checkout\.stripe\.test\//),
    })
    expect((await pay(invoice)).body).toMatchObject({ id: body.id, checkoutUrl: body.checkoutUrl })
    const [session] = stripe.all('checkout.session').toReversed()
    stripe.payCheckout(session!.id, 'pm_card_visa')
    expect(await settled(invoice)).toMatchObject([{ id: body.id, status: 'succeeded' }])
    expect(charges(invoice)).toHaveLength(1)
    await eventually(
      () => veil.expectOk('GET', '/payments/methods', { token: consumer.token }),
      ({ items }) => items.length === 1,
    )
  })

  test('is closed before a card is charged; paid meanwhile, no card is', async () => {
    const invoice = await owe(veil, consumer)
    await pay(invoice)
    await addCard({ veil, stripe }, consumer)
    expect((await pay(invoice, { via: 'card' })).body).toMatchObject({ status: 'succeeded' })
    const [session] = stripe.all('checkout.session').toReversed()
    expect(() => stripe.payCheckout(session!.id, 'pm_card_visa')).toThrow('expired')
    expect(charges(invoice)).toHaveLength(1)

    const other = await owe(veil, consumer)
    await settled(other)
    const third = await veil.user('consumer')
    consumer = third
    const late = await owe(veil, third)
    await pay(late)
    stripe.events.isHolding = true
    stripe.payCheckout(stripe.all('checkout.session').at(-1)!.id, 'pm_card_visa')
    stripe.events.isHolding = false
    await addCard({ veil, stripe }, third)
    const answer = await pay(late, { via: 'card' })
    expect(answer).toMatchObject({ status: 409, body: { code: 'invoice_settled' } })
    expect(charges(late)).toHaveLength(1)
  })

  test('that nobody uses ends after a day', async () => {
    const invoice = await owe(veil, consumer)
    await pay(invoice)
    stripe.expireCheckout(stripe.all('checkout.session').at(-1)!.id)
    expect(await settled(invoice)).toMatchObject([{ failureCode: 'checkout_expired' }])
    expect((await pay(invoice)).body).toMatchObject({ status: 'pending', attempt: 2 })
  })
})

describe('refusals', () => {
  test('somebody else’s invoice and payment, an unknown one, none at all', async () => {
    await addCard({ veil, stripe }, consumer)
    const invoice = await owe(veil, consumer)
    const [payment] = await settled(invoice)
    const { token } = await veil.user('consumer')
    const foreign = { token, body: { invoiceId: invoice.id } }
    expect((await veil.request('POST', '/payments', foreign)).body.code).toBe('invoice_unknown')
    const path = `/pricing/invoices/${invoice.id}/pay`
    expect((await veil.request('POST', path, { token })).body.code).toBe('invoice_unknown')
    expect((await veil.request('GET', `/payments/${payment.id}`, { token })).status).toBe(404)
    expect((await veil.request('GET', '/payments/pay_1', { token })).body.code).toBe(
      'payment_unknown',
    )
    expect((await veil.request('GET', '/payments?invoiceId=1', { token })).status).toBe(404)
    const seen = await veil.expectOk('GET', `/payments/${payment.id}`, { token: admin.token })
    expect(seen).toEqual(payment)
  })

  test('a card that is not there cannot be asked for', async () => {
    const invoice = await owe(veil, consumer)
    const refused = await pay(invoice, { via: 'card' })
    expect(refused).toMatchObject({ status: 409, body: { code: 'no_payment_method' } })
  })
})

describe('paid in another way', () => {
  const mark = (invoice: Owed, body: object) =>
    veil.request('POST', `/admin/invoices/${invoice.id}/mark-paid`, { token: admin.token, body })

  test('a part, then the rest; each transfer counts once', async () => {
    const invoice = await owe(veil, consumer)
    const part = await mark(invoice, { reference: 'T1', amount: 4_000 })
    expect(part).toMatchObject({ status: 201, body: { amount: 4_000, channel: 'manual' } })
    const again = await mark(invoice, { reference: 'T1', amount: 4_000 })
    expect(again).toMatchObject({ status: 409, body: { code: 'payment_reference_known' } })
    const more = await mark(invoice, { reference: 'T2', amount: 7_901 })
    expect(more).toMatchObject({ status: 409, body: { code: 'amount_exceeds_due' } })
    expect((await mark(invoice, { reference: 'T3' })).body).toMatchObject({ amount: 7_900 })
    expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 11_900 })
    expect((await mark(invoice, { reference: 'T4' })).body.code).toBe('invoice_settled')
  })

  test('not while a page to pay on is open, nor by a consumer, nor for what is not there', async () => {
    const invoice = await owe(veil, consumer)
    await pay(invoice)
    expect((await mark(invoice, { reference: 'P1' })).body.code).toBe('payment_pending')
    const path = `/admin/invoices/${invoice.id}/mark-paid`
    const body = { reference: 'P2' }
    expect((await veil.request('POST', path, { token: consumer.token, body })).status).toBe(403)
    expect((await mark({ id: 'inv_1', userId: '' }, body)).body.code).toBe('invoice_unknown')
  })

  test('without Stripe that is the only way', async () => {
    const manual = await TestVeil.start()
    const [user, boss] = [await manual.user('consumer'), await manual.admin()]
    const invoice = await owe(manual, user)
    const path = `/pricing/invoices/${invoice.id}/pay`
    const refused = await manual.request('POST', path, { token: user.token })
    expect(refused).toMatchObject({ status: 409, body: { code: 'payments_manual' } })
    const job = '/admin/jobs/payment-collection/run'
    await manual.expectOk('POST', job, { token: boss.token })
    expect(await paymentsOf(manual, user, invoice)).toEqual([])
    await manual.expectOk('POST', `/admin/invoices/${invoice.id}/mark-paid`, {
      ...{ token: boss.token, body: { reference: 'cash' } },
    })
    expect(await invoiceRow(manual, invoice)).toMatchObject({ status: 'paid' })
    await manual.stop()
  })
})
