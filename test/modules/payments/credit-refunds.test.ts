import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { publish } from '#infra/queue'
import type { Failpoint } from '#lib/failpoint'
import { invoiceCarriedToCredit } from '#modules/billing'
import type { FakeStripe } from '#test/stripe/index'
import { eventually, type TestVeil } from '#test/veil'
import { Life } from '../subscriptions/life-fixture'
import { addCard, balances, startWithStripe } from './payments-fixture'

const PRICING = `
version: 1
currencies: [EUR]
defaults:
  currency: EUR
  billingCycle: monthly
  billableStatuses: [{ from: 200, to: 399 }]
planTemplates: {}
seller: { name: Veil, address: [], country: DE }
tax: { rates: [{ country: DE, rate: "19" }] }
`
const MARCH = '2027-03-01T00:00:00.000Z'
const MARCH_16 = '2027-03-16T00:00:00.000Z'
/** An hour and more after the end: all calls have come. */
const GRACE_OVER = '2027-03-16T01:01:00.000Z'

/** 31.00 for March in advance, 36.89 with tax. */
const PLAN = { flatFee: 3_100, refundPolicy: 'time' }
const PAID = 3_689
/** 3100 × 16/31 = 1600, and 19 % of it. */
const CREDIT = 1_904

let veil: TestVeil
let stripe: FakeStripe

beforeAll(async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'veil-pricing-')), 'pricing.yaml')
  writeFileSync(file, PRICING)
  ;({ veil, stripe } = await startWithStripe({ PRICING_FILE: file }))
})
afterAll(async () => {
  await stripe.stop()
  await veil.stop()
})
beforeEach(() => {
  stripe.faults.clear()
  stripe.events.isHolding = false
})

const bill = (life: Life) =>
  life.run('billing-period-closure', 'invoice-generation', 'invoice-finalization')
const ask = (life: Life, path: string) => veil.expectOk('GET', path, { token: life.consumer.token })
const paymentsOf = async (life: Life): Promise<any[]> => (await ask(life, '/payments')).items
const refundsOf = async (life: Life): Promise<any[]> => {
  const all = await paymentsOf(life)
  const lists = await Promise.all(all.map(({ id }) => ask(life, `/payments/${id}/refunds`)))
  return lists.flatMap(({ items }) => items)
}
const creditOf = async (life: Life): Promise<number> =>
  (await ask(life, '/payments/credits'))[0]?.credit ?? 0
const lastInvoice = async (life: Life): Promise<any> => {
  const { items } = await ask(life, `/subscriptions/${life.id}/invoices`)
  const id = items.find(({ total }: { total: number }) => total === 0)?.id
  return id && ask(life, `/pricing/invoices/${id}`)
}
const cash = async () => (await balances(veil, 'cash')).EUR ?? 0
const backAtStripe = async (life: Life): Promise<number> => {
  const mine = new Set((await refundsOf(life)).map(({ id }) => id))
  return stripe
    .all('refund')
    .filter(({ metadata, status }) => mine.has(metadata.refund_id) && status !== 'failed')
    .reduce((sum, { amount }) => sum + amount, 0)
}

/** Until no event about what was carried to a credit waits to be handled now. */
const handled = () =>
  eventually(
    async () => {
      const [row] = await veil.container.sql`select count(*)::int as waiting from events
        where type = 'invoice.carried-to-credit' and run_at <= now()`
      return row?.waiting
    },
    (waiting) => waiting === 0,
  )

/** March, billed; with a card it is paid. */
async function subscribed(plan: object = PLAN, card: string | null = 'pm_card_visa') {
  const life = await Life.publish(veil, MARCH, { plan: { ...plan } })
  if (card !== null) await addCard({ veil, stripe }, life.consumer, card)
  await life.subscribe('plan')
  await bill(life)
  if (card !== null)
    await eventually(
      () => paymentsOf(life),
      ([one]) => one?.status === 'succeeded',
    )
  return life
}

/** Cancelled at once on the 16th; the last invoice waits until all calls have come. */
async function cancelled(life: Life): Promise<Life> {
  await life.at(MARCH_16)
  await life.ok('POST', '/cancel', { at: 'now' })
  await bill(life)
  expect(await lastInvoice(life)).toBeUndefined()
  await life.at(GRACE_OVER)
  return life
}

/** Takes from the customer's credit as other bookings do, or gives it back where `amount` is below 0. */
async function spend(life: Life, amount: number): Promise<void> {
  const { database, ledger, clock } = veil.container
  const ownerId = life.consumer.id as `usr_${string}`
  await database.db.transaction((tx) =>
    ledger.post(tx, {
      ...{ kind: 'test.spent', reference: `${life.id} ${amount}`, at: clock.now() },
      currency: 'EUR',
      entries: [
        { account: { type: 'customer_credit', ownerId }, amount: BigInt(amount) },
        { account: { type: 'platform_fee', ownerId: null }, amount: BigInt(-amount) },
      ],
    }),
  )
}

describe('the fee of a subscription that was cancelled', () => {
  test.each([
    ['all that was not used', PLAN, 0, CREDIT],
    // 152 calls, of which 31 × 15/31 × 10 = 150 are included: 2 × 1.00; (1600 − 200) × 1.19
    [
      'less what calls cost',
      { ...PLAN, quota: { limit: 310, hard: false, overageRate: '100' } },
      152,
      1_666,
    ],
    // 1000 × 16/31 = 516.13; 19 % of 516 is 98.04
    ['rounded as on the invoice', { ...PLAN, flatFee: 1_000 }, 0, 614],
  ] as const)('goes back to the card: %s', async (_, plan, calls, back) => {
    const before = await cash()
    const life = await subscribed(plan)
    const paid = (await cash()) - before
    if (calls > 0) {
      await life.at('2027-03-10T00:00:00Z')
      await life.use(calls)
    }
    await cancelled(life)
    expect(await refundsOf(life)).toEqual([])
    await bill(life)
    await eventually(
      () => refundsOf(life),
      ([one]) => one?.status === 'succeeded',
    )
    expect(await lastInvoice(life)).toMatchObject({ total: 0, carriedToCredit: back })
    expect(await refundsOf(life)).toMatchObject([
      { origin: 'credit', amount: back, currency: 'EUR', reason: 'Subscription cancelled' },
    ])
    expect(await paymentsOf(life)).toMatchObject([{ amount: paid, amountRefunded: back }])
    expect(await backAtStripe(life)).toBe(back)
    expect(await creditOf(life)).toBe(0)
    expect(await cash()).toBe(before + paid - back)
  })

  test('told again and again it goes back once', async () => {
    const life = await cancelled(await subscribed())
    await bill(life)
    await handled()
    const { id: invoiceId } = await lastInvoice(life)
    const { database, creditRefunds, clock } = veil.container
    const payload = { invoiceId, at: clock.now().toISOString() }
    await publish(database.db, invoiceCarriedToCredit, payload)
    await publish(database.db, invoiceCarriedToCredit, payload)
    await Promise.all([1, 2, 3, 4, 5].map(() => creditRefunds.giveBack(invoiceId)))
    await handled()
    await bill(life)
    expect(await refundsOf(life)).toMatchObject([{ amount: CREDIT, status: 'succeeded' }])
    expect(await backAtStripe(life)).toBe(CREDIT)
    expect(await creditOf(life)).toBe(0)
  })

  test.each([
    ['a part of it', 1_000, CREDIT - 1_000],
    ['all of it', CREDIT, 0],
  ])('what the credit was used for stays: %s', async (_, used, back) => {
    const life = await cancelled(await subscribed())
    await spend(life, used)
    await bill(life)
    await handled()
    await eventually(
      () => backAtStripe(life),
      (amount) => amount === back,
    )
    expect(await creditOf(life)).toBe(0)
    expect(await refundsOf(life)).toHaveLength(back > 0 ? 1 : 0)
  })

  test('no more goes back than an admin has left of the payment; the rest stays credit', async () => {
    const life = await subscribed()
    const [{ id }] = await paymentsOf(life)
    const admin = await veil.admin()
    const body = { reason: 'Outage', amount: PAID - 500 }
    await veil.expectOk('POST', `/payments/${id}/refund`, { token: admin.token, body })
    await cancelled(life)
    await bill(life)
    await eventually(
      () => paymentsOf(life),
      ([one]) => one.amountRefunded === PAID,
    )
    expect(await refundsOf(life)).toMatchObject([{ origin: 'credit', amount: 500 }, {}])
    expect(await creditOf(life)).toBe(CREDIT - 500)
  })

  test('paid by hand it stays credit', async () => {
    const life = await subscribed(PLAN, null)
    const admin = await veil.admin()
    const { items } = await ask(life, `/subscriptions/${life.id}/invoices`)
    await veil.expectOk('POST', `/admin/invoices/${items[0].id}/mark-paid`, {
      ...{ token: admin.token, body: { reference: life.id } },
    })
    await cancelled(life)
    await bill(life)
    await handled()
    expect(await refundsOf(life)).toEqual([])
    expect(await creditOf(life)).toBe(CREDIT)
  })

  test('while the customer is on the page of the payment, it waits', async () => {
    const life = await subscribed(PLAN, null)
    const { items } = await ask(life, `/subscriptions/${life.id}/invoices`)
    await veil.expectOk('POST', `/pricing/invoices/${items[0].id}/pay`, {
      ...{ token: life.consumer.token, body: { via: 'checkout' } },
    })
    await cancelled(life)
    await bill(life)
    await handled()
    expect(await creditOf(life)).toBe(CREDIT)
    stripe.payCheckout(stripe.all('checkout.session').at(-1)!.id, 'pm_card_visa')
    await eventually(
      () => paymentsOf(life),
      ([one]) => one.status === 'succeeded',
    )
    await veil.container.sql`update events set run_at = now()
      where type = 'invoice.carried-to-credit'`
    await eventually(
      () => refundsOf(life),
      ([one]) => one?.status === 'succeeded',
    )
    expect(await backAtStripe(life)).toBe(CREDIT)
    expect(await creditOf(life)).toBe(0)
  })
})

describe('whatever goes wrong', () => {
  test.each(['silent', 'done-then-silent', 'done-then-reset'] as const)(
    '%s: looked at, and given back once',
    async (kind) => {
      const life = await cancelled(await subscribed())
      stripe.events.isHolding = true
      stripe.faults.inject('POST /v1/refunds', { kind })
      await bill(life)
      await handled()
      expect(await creditOf(life)).toBe(0)
      stripe.forgetKeys()
      await life.at('2027-03-16T01:10:00Z')
      await life.run('payment-collection', 'payment-collection')
      expect(await refundsOf(life)).toMatchObject([{ amount: CREDIT, status: 'succeeded' }])
      expect(await backAtStripe(life)).toBe(CREDIT)
    },
  )

  test('what the bank sends back is the customer’s credit again', async () => {
    const life = await cancelled(await subscribed(PLAN, 'pm_card_refundFail'))
    await bill(life)
    await eventually(
      () => refundsOf(life),
      ([one]) => one?.status === 'succeeded',
    )
    const before = await cash()
    stripe.finishRefund(stripe.all('refund').at(-1)!.id, 'failed')
    await eventually(
      () => refundsOf(life),
      ([one]) => one.status === 'failed',
    )
    expect(await creditOf(life)).toBe(CREDIT)
    expect(await cash()).toBe(before + CREDIT)
    expect(await paymentsOf(life)).toMatchObject([{ amountRefunded: 0 }])
  })

  test.each(['refund.recorded', 'refund.sent', 'refund.settled'] as const satisfies Failpoint[])(
    'killed at %s, it goes back once',
    async (point) => {
      const life = await cancelled(await subscribed())
      // Nothing is there when the worker looks, so that the process of this test is the one that gives back.
      await spend(life, CREDIT)
      await bill(life)
      await handled()
      await spend(life, -CREDIT)
      stripe.events.isHolding = true
      const { id: invoiceId } = await lastInvoice(life)
      expect(await giveBackElsewhere(invoiceId, point)).toBe('SIGKILL')
      await life.at('2027-03-16T01:10:00Z')
      await life.run('payment-collection')
      expect(await giveBackElsewhere(invoiceId)).toBeNull()
      expect(await refundsOf(life)).toMatchObject([{ amount: CREDIT, status: 'succeeded' }])
      expect(await backAtStripe(life)).toBe(CREDIT)
      expect(await creditOf(life)).toBe(0)
    },
  )
})

async function giveBackElsewhere(invoiceId: string, failpoint?: Failpoint) {
  const plan = JSON.stringify({ databaseUrl: veil.database.url, invoiceId })
  const child = Bun.spawn(
    [process.execPath, `${import.meta.dirname}/credit-refund-process.ts`, plan],
    {
      env: {
        ...{ PATH: process.env.PATH, NODE_ENV: 'test', ...stripe.environment },
        ...(failpoint && { FAILPOINT: failpoint }),
      },
      stderr: 'inherit',
    },
  )
  await child.exited
  return child.signalCode
}

test('the ledger sums to zero', async () => {
  const [row] = await veil.database
    .sql`select coalesce(sum(amount), 0)::int as sum from ledger_entries`
  expect(row!.sum).toBe(0)
})
