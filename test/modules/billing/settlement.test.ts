import { eq } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { creditNotes, invoices } from '#db/schema/billing'
import { newId } from '#lib/id'
import { invoiceCollectionDue, Settlement } from '#modules/billing'
import { Ledger } from '#modules/ledger'
import { freshDatabase, type TestDatabase } from '#test/database'
import { AT, openInvoice } from './invoice-fixture'
import { SETTINGS } from './settings'

let database: TestDatabase
const ledger = new Ledger()
const settlement = new Settlement(ledger, () => SETTINGS)
const clock = { now: () => AT }

beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

type Opened = Awaited<ReturnType<typeof openInvoice>>
const open = () => openInvoice(database.db, ledger)

const pay = ({ id: invoiceId }: Opened, amount: bigint, paymentId = newId('pay', clock)) =>
  database.db.transaction((tx) =>
    settlement.recordPayment(tx, { invoiceId, paymentId, amount, currency: 'EUR', at: AT }),
  )
const credit = ({ id: invoiceId }: Opened, amount: bigint) =>
  database.db.transaction((tx) =>
    settlement.credit(tx, { invoiceId, amount, reason: 'Outage', at: AT }),
  )
const refund = ({ id: invoiceId }: Opened, amount: bigint, refundId = newId('ref', clock)) =>
  database.db.transaction((tx) =>
    settlement.recordRefund(tx, { invoiceId, refundId, amount, reason: 'Outage', at: AT }),
  )
const mark = ({ id }: Opened, verb: 'markPastDue' | 'markUncollectible' | 'void') =>
  database.db.transaction((tx) => settlement[verb](tx, id, AT))

const MONEY = { pay, credit, refund }
const VERBS = [
  ...(['pay', 'credit', 'refund'] as const),
  ...(['markPastDue', 'markUncollectible', 'void'] as const),
]
const isMoney = (verb: string): verb is keyof typeof MONEY => Object.hasOwn(MONEY, verb)

async function invoiceOf({ id }: Opened) {
  const [row] = await database.db.select().from(invoices).where(eq(invoices.id, id))
  return row!
}

/** Balances of the parties of one invoice, and of the operator as far as this invoice changed them. */
async function booked({ id, userId, providerId }: Opened) {
  const rows = await database.sql.unsafe(`
    select type, sum(amount)::int as amount from ledger_entries join ledger_accounts a on a.id = account_id
    where owner_id in ('${userId.slice(4)}', '${providerId.slice(4)}') group by type having sum(amount) <> 0`)
  expect(id).toBeTruthy()
  return Object.fromEntries(rows.map(({ type, amount }) => [type, amount]))
}

async function events({ id }: Opened) {
  const rows = await database.sql`
    select type from events where payload ->> 'invoiceId' = ${id}
      and type <> ${invoiceCollectionDue.name} order by position`
  return rows.map(({ type }) => type)
}

describe('payments', () => {
  test('parts, the same one many times, then the rest: paid once', async () => {
    const invoice = await open()
    await Promise.all(Array.from({ length: 10 }, () => pay(invoice, 4_000n, 'pay_first')))
    expect(await settlement.amountDue(database.db, invoice.id)).toBe(7_900n)
    await pay(invoice, 7_900n)
    expect(await invoiceOf(invoice)).toMatchObject({
      ...{ status: 'paid', amountPaid: 11_900n, amountDue: 0n, paidAt: AT },
    })
    expect(await booked(invoice)).toEqual({ provider_earnings: -9_000 })
    expect(await events(invoice)).toEqual(['invoice.paid', 'invoice.settled'])
  })

  test('two that pay all of it at once: what is too much is the customer’s credit', async () => {
    const invoice = await open()
    await Promise.all([pay(invoice, 11_900n), pay(invoice, 11_900n)])
    expect(await booked(invoice)).toEqual({ provider_earnings: -9_000, customer_credit: -11_900 })
    expect(await events(invoice)).toEqual(['invoice.paid', 'invoice.settled'])
  })

  test('another currency, nothing at all and an unknown invoice are refused', async () => {
    const invoice = await open()
    const dollars = {
      ...{ invoiceId: invoice.id, paymentId: 'p', amount: 1n },
      currency: 'USD',
      at: AT,
    }
    const paid = database.db.transaction((tx) => settlement.recordPayment(tx, dollars))
    await expect(paid).rejects.toMatchObject({ code: 'invoice_currency_differs' })
    await expect(pay(invoice, 0n)).rejects.toThrow(RangeError)
    const unknown = { ...invoice, id: newId('inv', clock) }
    await expect(pay(unknown, 1n)).rejects.toMatchObject({ code: 'invoice_unknown' })
  })
})

describe('debts', () => {
  test('past due, given up, then paid nevertheless', async () => {
    const invoice = await open()
    for (const verb of [
      'markPastDue',
      'markPastDue',
      'markUncollectible',
      'markUncollectible',
    ] as const)
      await mark(invoice, verb)
    expect(await booked(invoice)).toEqual({ provider_earnings: -9_000 })
    await mark(invoice, 'markPastDue')
    expect(await invoiceOf(invoice)).toMatchObject({ status: 'uncollectible', amountDue: 11_900n })
    await pay(invoice, 11_900n)
    expect(await invoiceOf(invoice)).toMatchObject({ status: 'paid', amountDue: 0n })
    expect(await events(invoice)).toEqual([
      ...['invoice.past-due', 'invoice.uncollectible', 'invoice.paid', 'invoice.settled'],
    ])
    const [row] = await database.sql`select coalesce(sum(amount), 0)::int as amount
      from ledger_entries join ledger_accounts a on a.id = account_id where type = 'bad_debt'`
    expect(row?.amount).toBe(0)
  })

  test('void takes all of it back, once; a payment that was under way becomes credit', async () => {
    const invoice = await open()
    await mark(invoice, 'void')
    await mark(invoice, 'void')
    expect(await booked(invoice)).toEqual({})
    expect(await invoiceOf(invoice)).toMatchObject({
      status: 'void',
      amountDue: 0n,
      number: /VEIL/,
    })
    await pay(invoice, 11_900n)
    expect(await booked(invoice)).toEqual({ customer_credit: -11_900 })
    await expect(credit(invoice, 1n)).rejects.toMatchObject({ code: 'credit_exceeds_invoice' })
  })

  test('what is paid or credited, even in part, cannot be voided', async () => {
    const invoice = await open()
    await credit(invoice, 1n)
    await expect(mark(invoice, 'void')).rejects.toMatchObject({ code: 'invoice_not_voidable' })
  })
})

describe('credit notes', () => {
  test('first off what is due, then to the customer; tax and earnings in proportion', async () => {
    const invoice = await open()
    await pay(invoice, 10_000n)
    // 19/119 of 2,400 is 383.19…, 90/119 of it 1,815.12…, the fee gets the rest: 202.
    const note = await credit(invoice, 2_400n)
    expect(note).toMatchObject({
      ...{ subtotal: 2_017n, tax: 383n, total: 2_400n },
      ...{ relieved: 1_900n, toCredit: 500n, refunded: 0n, number: /^VEIL-CN-\d{6}$/ },
    })
    expect(await invoiceOf(invoice)).toMatchObject({ status: 'paid', amountCredited: 2_400n })
    expect(await booked(invoice)).toEqual({ provider_earnings: -7_185, customer_credit: -500 })
    expect(await events(invoice)).toEqual(['invoice.paid', 'invoice.settled', 'invoice.credited'])
  })

  test('of fifty at once for 10.00 each, eleven fit into 119.00; their numbers have no gap', async () => {
    const invoice = await open()
    const before = await database.db.select().from(creditNotes)
    const tried = await Promise.allSettled(
      Array.from({ length: 50 }, () => credit(invoice, 1_000n)),
    )
    expect(tried.filter(({ status }) => status === 'fulfilled')).toHaveLength(11)
    await credit(invoice, 900n)
    expect(await booked(invoice)).toEqual({})
    const notes = await database.db.select().from(creditNotes)
    const numbers = notes.map(({ sequence }) => sequence).sort((a, b) => a - b)
    expect(numbers).toEqual(Array.from({ length: before.length + 12 }, (_, n) => n + 1))
  })

  test('nothing and more than there is are refused', async () => {
    const invoice = await open()
    for (const amount of [0n, -1n, 11_901n])
      await expect(credit(invoice, amount)).rejects.toMatchObject({
        ...{ code: 'credit_exceeds_invoice', kind: 'conflict' },
      })
  })
})

describe('refunds', () => {
  test('a refund is a credit note, once', async () => {
    const invoice = await open()
    await pay(invoice, 11_900n)
    for (let told = 0; told < 3; told++) await refund(invoice, 11_900n, 'ref_all')
    expect(await booked(invoice)).toEqual({})
    expect(await invoiceOf(invoice)).toMatchObject({ status: 'paid', amountCredited: 11_900n })
    const notes = await database.db
      .select()
      .from(creditNotes)
      .where(eq(creditNotes.invoiceId, invoice.id))
    expect(notes).toMatchObject([{ refunded: 11_900n, tax: 1_900n, refundId: 'ref_all' }])
  })

  test('what was turned into credit before is taken from there', async () => {
    const invoice = await open()
    await pay(invoice, 11_900n)
    await credit(invoice, 2_000n)
    await refund(invoice, 11_900n)
    expect(await booked(invoice)).toEqual({})
  })
})

test('a final invoice can be changed by nobody, and not be deleted', async () => {
  const { id } = await open()
  const uuid = id.slice(4)
  for (const change of ['total = 1, subtotal = 1, tax = 0', "status = 'draft'", `lines = '[1]'`])
    await expect(
      database.sql.unsafe(`update invoices set ${change} where id = '${uuid}'`),
    ).rejects.toMatchObject({ code: '23001' })
  await expect(
    database.sql.unsafe(`delete from invoices where id = '${uuid}'`),
  ).rejects.toMatchObject({ code: '23001' })
})

test('no sequence of operations makes the ledger’s sum differ from zero, or the books from the invoice', async () => {
  const step = fc.record({
    verb: fc.constantFrom(...VERBS),
    amount: fc.bigInt({ min: 1n, max: 12_500n }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
      const invoice = await open()
      for (const { verb, amount } of steps) {
        const done = isMoney(verb) ? MONEY[verb](invoice, amount) : mark(invoice, verb)
        await done.catch((error) => expect(error.kind).toBe('conflict'))
      }
      const [sum] = await database.sql`select sum(amount)::text as sum from ledger_entries`
      expect(sum?.sum).toBe('0')
      const { status, amountDue } = await invoiceOf(invoice)
      const owed = status === 'uncollectible' ? 0 : Number(amountDue)
      expect((await booked(invoice)).receivable ?? 0).toBe(owed)
    }),
    { numRuns: 40 },
  )
})
