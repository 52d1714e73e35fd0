import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { FakeStripe } from '#test/stripe/index'
import { eventually, type TestUser, type TestVeil } from '#test/veil'
import { addCard, balances, type Owed, owe, paymentsOf, startWithStripe } from './payments-fixture'

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
  stripe.events.isHolding = false
  consumer = await veil.user('consumer')
  admin = await veil.admin()
})

interface Paid {
  invoice: Owed
  id: string
  intentId: string
}

/** 119.00 that came in by card. */
async function paid(card = 'pm_card_visa'): Promise<Paid> {
  await addCard({ veil, stripe }, consumer, card)
  const invoice = await owe(veil, consumer)
  const isOver = (all: any[]) => all[0]?.status === 'succeeded'
  const [{ id }] = await paymentsOf(veil, consumer, invoice, isOver)
  const [charge] = stripe.charges(id)
  return { invoice, id, intentId: charge!.payment_intent }
}

const refund = ({ id }: Paid, body: object = {}) =>
  veil.request('POST', `/payments/${id}/refund`, {
    ...{ token: admin.token, body: { reason: 'Outage', ...body } },
  })
const refundsOf = async ({ id }: Paid): Promise<any[]> =>
  (await veil.expectOk('GET', `/payments/${id}/refunds`, { token: consumer.token })).items
const payment = ({ id }: Paid) => veil.expectOk('GET', `/payments/${id}`, { token: consumer.token })
const backAtStripe = ({ intentId }: Paid): number =>
  stripe
    .all('refund')
    .filter((one) => one.payment_intent === intentId && one.status !== 'failed')
    .reduce((sum, { amount }) => sum + amount, 0)
const notesOf = async ({ invoice }: Paid) => {
  const rows = await veil.database.sql`
    select total::int as total, refunded::int as refunded, reason from credit_notes
    where invoice_id = ${invoice.id.slice(4)} order by created_at`
  return rows.map((row) => ({ ...row }))
}
const creditOf = async ({ id }: TestUser): Promise<number> => {
  const [row] = await veil.database.sql`
    select coalesce(-sum(amount), 0)::int as credit
    from ledger_entries join ledger_accounts a on a.id = account_id
    where type = 'customer_credit' and owner_id = ${id.slice(4)}`
  return row!.credit
}
const resume = async () => {
  veil.clock.advance(120_000)
  await veil.expectOk('POST', '/admin/jobs/payment-collection/run', { token: admin.token })
}

describe('a payment is given back', () => {
  test('in parts, with a credit note for each, and never more than was paid', async () => {
    const cash = (await balances(veil, 'cash')).EUR ?? 0
    const it = await paid()
    expect(await refund(it, { amount: 1_000 })).toMatchObject({
      ...{ status: 201, body: { status: 'succeeded', origin: 'admin', amount: 1_000 } },
    })
    const more = await refund(it, { amount: 10_901 })
    expect(more).toMatchObject({ status: 409, body: { code: 'refund_exceeds_payment' } })
    expect(more.body.detail).toContain('10900')
    expect((await refund(it)).body).toMatchObject({ amount: 10_900 })
    expect((await refund(it)).body.code).toBe('refund_exceeds_payment')
    expect(await notesOf(it)).toEqual([
      { total: 1_000, refunded: 1_000, reason: 'Outage' },
      { total: 10_900, refunded: 10_900, reason: 'Outage' },
    ])
    expect(await payment(it)).toMatchObject({ amount: 11_900, amountRefunded: 11_900 })
    expect(backAtStripe(it)).toBe(11_900)
    expect((await balances(veil, 'cash')).EUR ?? 0).toBe(cash)
    expect(await creditOf(consumer)).toBe(0)
  })

  test('fifty at once give back no more than there is', async () => {
    const it = await paid()
    const answers = await Promise.all(Array.from({ length: 50 }, () => refund(it, { amount: 500 })))
    const statuses = answers.map(({ status }) => status).sort()
    // 23 × 5.00 fit into 119.00.
    expect(statuses).toEqual([...Array(23).fill(201), ...Array(27).fill(409)])
    expect(backAtStripe(it)).toBe(11_500)
    expect(await payment(it)).toMatchObject({ amountRefunded: 11_500 })
  })

  test('a double click under one key gives back once', async () => {
    const it = await paid()
    const ask = () =>
      veil.request('POST', `/payments/${it.id}/refund`, {
        ...{ token: admin.token, headers: { 'idempotency-key': 'twice' } },
        body: { reason: 'Outage', amount: 700 },
      })
    const answers = await Promise.all([ask(), ask()])
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
    expect((await ask()).headers.get('idempotent-replayed')).toBe('true')
    expect(backAtStripe(it)).toBe(700)
  })

  test('what was noted by hand is given back by hand', async () => {
    const invoice = await owe(veil, consumer, { isCollected: false })
    const { id } = await veil.expectOk('POST', `/admin/invoices/${invoice.id}/mark-paid`, {
      ...{ token: admin.token, body: { reference: `by hand ${invoice.id}` } },
    })
    const by = { invoice, id, intentId: '' }
    expect((await refund(by, { amount: 900 })).body).toMatchObject({ status: 'succeeded' })
    expect(await notesOf(by)).toMatchObject([{ refunded: 900 }])
  })
})

describe('nothing is given back twice', () => {
  test.each(['done-then-silent', 'done-then-reset', 'silent'] as const)(
    '%s: looked at, and given back once',
    async (kind) => {
      const it = await paid()
      stripe.events.isHolding = true
      stripe.faults.inject('POST /v1/refunds', { kind })
      const { status } = await refund(it, { amount: 2_000 })
      expect(status).toBe(201)
      await resume()
      expect(await refundsOf(it)).toMatchObject([{ status: 'succeeded', amount: 2_000 }])
      expect(backAtStripe(it)).toBe(2_000)
      expect(await notesOf(it)).toMatchObject([{ refunded: 2_000 }])
    },
  )

  test('also after a day, when Stripe has forgotten the key', async () => {
    const it = await paid()
    stripe.events.isHolding = true
    stripe.faults.inject('POST /v1/refunds', { kind: 'done-then-silent' })
    await refund(it, { amount: 2_000 })
    stripe.forgetKeys()
    await resume()
    expect(backAtStripe(it)).toBe(2_000)
    expect(await refundsOf(it)).toMatchObject([{ status: 'succeeded' }])
  })
})

describe('what the bank says later', () => {
  test('a refund that takes its time is pending until then', async () => {
    const it = await paid('pm_card_pendingRefund')
    expect((await refund(it, { amount: 500 })).body).toMatchObject({ status: 'pending' })
    expect(await notesOf(it)).toEqual([])
    stripe.finishRefund(stripe.all('refund').at(-1)!.id, 'succeeded')
    await eventually(
      () => refundsOf(it),
      ([one]) => one.status === 'succeeded',
    )
    expect(await notesOf(it)).toMatchObject([{ refunded: 500 }])
  })

  test('one that comes back is the customer’s credit, and can be tried anew', async () => {
    const it = await paid('pm_card_refundFail')
    await refund(it, { amount: 500 })
    stripe.finishRefund(stripe.all('refund').at(-1)!.id, 'failed')
    await eventually(
      () => refundsOf(it),
      ([one]) => one.status === 'failed',
    )
    for (const event of stripe.events.of('refund.failed').slice(-1))
      for (let times = 0; times < 3; times++) await stripe.events.deliver(event)
    expect(await creditOf(consumer)).toBe(500)
    expect(await payment(it)).toMatchObject({ amountRefunded: 0 })
  })

  test('one that was made in the dashboard counts, and less can be given back here', async () => {
    const it = await paid()
    stripe.refundInDashboard(it.intentId, 9_000)
    await eventually(
      () => refundsOf(it),
      ([one]) => one?.status === 'succeeded',
    )
    expect(await refundsOf(it)).toMatchObject([{ origin: 'provider', amount: 9_000 }])
    expect((await refund(it, { amount: 2_901 })).body.code).toBe('refund_exceeds_payment')
    expect((await refund(it)).body).toMatchObject({ amount: 2_900, status: 'succeeded' })
    expect(backAtStripe(it)).toBe(11_900)
  })
})

describe('a dispute', () => {
  const hold = async () => (await balances(veil, 'dispute_hold')).EUR ?? 0

  test('freezes the payment; won, all is as before', async () => {
    const it = await paid()
    const [cash, held] = [(await balances(veil, 'cash')).EUR ?? 0, await hold()]
    const dispute = stripe.dispute(it.intentId)
    await eventually(
      () => payment(it),
      ({ amountDisputed }) => amountDisputed === 11_900,
    )
    expect(await hold()).toBe(held + 11_900)
    expect((await refund(it, { amount: 1 })).body.code).toBe('refund_exceeds_payment')
    stripe.closeDispute(dispute.id, 'won')
    await eventually(
      () => payment(it),
      ({ amountDisputed }) => amountDisputed === 0,
    )
    expect(await hold()).toBe(held)
    expect((await balances(veil, 'cash')).EUR).toBe(cash)
  })

  test('that is lost is written off, once, in whatever order it is told', async () => {
    const it = await paid()
    const [held, debt] = [await hold(), (await balances(veil, 'bad_debt')).EUR ?? 0]
    stripe.events.isHolding = true
    const from = stripe.events.all.length
    const dispute = stripe.dispute(it.intentId)
    stripe.closeDispute(dispute.id, 'lost')
    const told = stripe.events.all.slice(from)
    for (const event of [...told.toReversed(), ...told]) await stripe.events.deliver(event)
    await eventually(
      () => balances(veil, 'bad_debt'),
      ({ EUR = 0 }) => EUR === debt + 11_900,
    )
    expect(await hold()).toBe(held)
    expect(await payment(it)).toMatchObject({ amountDisputed: 11_900 })
  })
})

describe('refusals', () => {
  test('a consumer may not, nor anybody a payment that never came in or is not there', async () => {
    const it = await paid()
    const body = { reason: 'Please' }
    const path = `/payments/${it.id}/refund`
    expect((await veil.request('POST', path, { token: consumer.token, body })).status).toBe(403)
    const stranger = await veil.user('consumer')
    const list = `/payments/${it.id}/refunds`
    expect((await veil.request('GET', list, { token: stranger.token })).status).toBe(404)
    expect((await refund({ ...it, id: 'pay_1' })).body.code).toBe('payment_unknown')
    expect((await refund(it, { by: 'consumption' })).body.code).toBe('consumption_unknown')
    stripe.cardBecomes(stripe.all('payment_method').at(-1)!.id, 'generic_decline')
    const invoice = await owe(veil, consumer)
    const [failed] = await paymentsOf(veil, consumer, invoice, (all) => all[0]?.status === 'failed')
    expect((await refund({ ...it, id: failed.id })).body.code).toBe('payment_not_received')
  })
})

test('the ledger sums to zero, and its cash is what Stripe has', async () => {
  const [row] = await veil.database
    .sql`select coalesce(sum(amount), 0)::int as sum from ledger_entries`
  expect(row!.sum).toBe(0)
})
