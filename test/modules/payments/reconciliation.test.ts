import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { FakeStripe } from '#test/stripe/index'
import { eventually, type TestUser, type TestVeil } from '#test/veil'
import { addCard, invoiceRow, owe, paymentsOf, startWithStripe } from './payments-fixture'

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
/** What differs stays so: each story has a week of its own. */
beforeEach(async () => {
  stripe.faults.clear()
  stripe.events.isHolding = false
  veil.clock.advance(10 * 86_400_000)
  consumer = await veil.user('consumer')
  admin = await veil.admin()
})

/** Two hours later, when all is settled. */
async function reconcile(): Promise<any> {
  veil.clock.advance(2 * 3_600_000)
  admin = await veil.admin()
  const path = '/admin/jobs/payment-reconciliation/run'
  return (await veil.expectOk('POST', path, { token: admin.token })).counts
}

/** Kinds of all differences that admins were told of, by the provider's id. */
async function told(count: number): Promise<Record<string, string>> {
  const rows = await eventually(
    () => veil.container.sql`select payload from event_history where type = 'payment.drift-found'`,
    ({ length }) => length >= count,
  )
  expect(rows).toHaveLength(count)
  return Object.fromEntries(rows.map(({ payload }) => [payload.externalId, payload.kind]))
}
let toldBefore = 0

/** 119.00 that came in by card. */
async function paid() {
  await addCard({ veil, stripe }, consumer)
  const invoice = await owe(veil, consumer)
  const isOver = (all: any[]) => all[0]?.status === 'succeeded'
  const [{ id }] = await paymentsOf(veil, consumer, invoice, isOver)
  return { invoice, id: id as string, intentId: stripe.charges(id)[0]!.payment_intent as string }
}
const uuid = (id: string) => id.slice(id.indexOf('_') + 1)
const giveBack = (id: string, amount: number) =>
  veil.expectOk('POST', `/payments/${id}/refund`, {
    ...{ token: admin.token, body: { reason: 'Outage', amount } },
  })

test('where books and Stripe agree nothing is found, over many pages', async () => {
  const { id } = await paid()
  for (let times = 0; times < 105; times++) await giveBack(id, 100)
  expect(await reconcile()).toEqual({ payments: 1, refunds: 105, healed: 0, differing: 0 })
})

test('a refund of the dashboard that was not heard of is booked', async () => {
  const { id, intentId } = await paid()
  stripe.events.isHolding = true
  stripe.refundInDashboard(intentId, 1_000)
  expect(await reconcile()).toEqual({ payments: 1, refunds: 1, healed: 1, differing: 0 })
  const { items } = await veil.expectOk('GET', `/payments/${id}/refunds`, { token: admin.token })
  expect(items).toMatchObject([{ origin: 'provider', amount: 1_000, status: 'succeeded' }])
  expect(await reconcile()).toEqual({ payments: 1, refunds: 1, healed: 0, differing: 0 })
})

test('a payment that was not heard of is booked', async () => {
  const invoice = await owe(veil, consumer, { isCollected: false })
  const body = { invoiceId: invoice.id, via: 'checkout' }
  await veil.expectOk('POST', '/payments', { token: consumer.token, body })
  stripe.events.isHolding = true
  stripe.payCheckout(stripe.all('checkout.session').at(-1)!.id, 'pm_card_visa')
  expect(await reconcile()).toEqual({ payments: 1, refunds: 0, healed: 1, differing: 0 })
  expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 11_900, due: 0 })
  expect(await reconcile()).toEqual({ payments: 1, refunds: 0, healed: 0, differing: 0 })
})

test('money at Stripe that is not in the books, and the other way round, is told of once', async () => {
  const { id, intentId } = await paid()
  await veil.container.sql`update payment_records set external_id = 'pi_gone'
    where id = ${uuid(id)}`
  for (let times = 0; times < 2; times++)
    expect(await reconcile()).toMatchObject({ payments: 1, healed: 0, differing: 2 })
  toldBefore += 2
  expect(await told(toldBefore)).toMatchObject({
    ...{ [intentId]: 'payment_unknown', pi_gone: 'payment_missing' },
  })
  const { items } = await veil.expectOk('GET', '/admin/mails?limit=100', { token: admin.token })
  expect(items.map(({ subject }: any) => subject)).toContain('The books and Stripe differ: pi_gone')
})

test('a payment that failed by the books, of another amount, is not booked', async () => {
  const { id, intentId } = await paid()
  await veil.container.sql`update payment_records set status = 'failed', amount = amount + 1
    where id = ${uuid(id)}`
  expect(await reconcile()).toMatchObject({ healed: 0, differing: 1 })
  toldBefore += 1
  expect(await told(toldBefore)).toMatchObject({ [intentId]: 'payment_differs' })
})

test('a refund that is another one at Stripe, or none', async () => {
  const { id } = await paid()
  const refunds = [await giveBack(id, 300), await giveBack(id, 400)]
  const atStripe = ({ id: refundId }: any) =>
    stripe.all('refund').find(({ metadata }) => metadata.refund_id === refundId)!.id
  await veil.container.sql`update refunds set amount = amount - 1
    where id = ${uuid(refunds[0].id)}`
  await veil.container.sql`update refunds set external_id = 're_gone'
    where id = ${uuid(refunds[1].id)}`
  for (let times = 0; times < 2; times++)
    expect(await reconcile()).toMatchObject({ refunds: 2, healed: 0, differing: 3 })
  toldBefore += 3
  expect(await told(toldBefore)).toMatchObject({
    [atStripe(refunds[0])]: 'refund_differs',
    [atStripe(refunds[1])]: 'refund_differs',
    re_gone: 'refund_missing',
  })
})

test('while Stripe is away nothing is found and nothing is told', async () => {
  await paid()
  stripe.faults.inject('GET /v1/payment_intents', { kind: 'refuse', status: 503 })
  const path = '/admin/jobs/payment-reconciliation/run'
  const { status } = await veil.request('POST', path, { token: admin.token })
  expect(status).toBeGreaterThanOrEqual(500)
  await told(toldBefore)
})
