import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { charged } from './books'
import { END, type Life, Year } from './year'

// As many as the clock allows: 24 are two of each plan; `YEAR_SUBSCRIPTIONS=1000` is the whole proof.
const SUBSCRIPTIONS = Number(process.env.YEAR_SUBSCRIPTIONS ?? 24)
const SEED = Number(process.env.YEAR_SEED ?? 2027)

let year: Year
beforeAll(async () => {
  year = await Year.begin({
    ...{ subscriptions: SUBSCRIPTIONS, seed: SEED },
    jobsEveryDays: Number(process.env.YEAR_JOBS_EVERY_DAYS ?? 3),
  })
  await year.live()
}, 3_600_000)
afterAll(() => year.end())

/** The invoices of a subscription, newest first. */
async function invoicesOf({ id, consumer }: Life): Promise<{ id: string; subtotal: number }[]> {
  await year.signIn(consumer)
  return year.all(`/subscriptions/${id}/invoices`, consumer)
}

const sumOf = (amounts: readonly (number | bigint)[]): bigint =>
  amounts.reduce<bigint>((sum, amount) => sum + BigInt(amount), 0n)

describe('after a year', () => {
  test('what each subscription was invoiced is what a bookkeeper makes of its story', async () => {
    const differences: unknown[] = []
    for (const life of year.lives) {
      const invoiced = sumOf((await invoicesOf(life)).map(({ subtotal }) => subtotal))
      const expected = charged(life.story, END)
      const { plan, startsAt, change, cancel } = life.story
      const story = { plan: plan.slug, startsAt, to: change?.plan.slug, at: change?.at, cancel }
      if (invoiced !== expected) differences.push({ id: life.id, ...story, invoiced, expected })
    }
    expect(differences).toEqual([])
  })

  test('every invoice can be made again from the calls themselves', async () => {
    const different: unknown[] = []
    for (const life of year.lives)
      for (const { id } of await invoicesOf(life)) {
        const path = `/pricing/invoices/${id}/verify`
        const verified = await year.veil.expectOk('GET', path, { token: life.consumer.token })
        const isRecounted = verified.periods.every((period: any) => period.isRecounted)
        if (verified.verdict !== 'equal' || !isRecounted) different.push(verified)
      }
    expect(different).toEqual([])
  })

  test('Stripe took what was paid and gave back what was refunded, payment by payment', async () => {
    const rows = await year.veil.database.sql<{ id: string; paid: string; refunded: string }[]>`
      select id, case status when 'succeeded' then amount else 0 end::text as paid,
        coalesce((select sum(amount) from refunds
          where payment_id = payment_records.id and status = 'succeeded'), 0)::text as refunded
      from payment_records`
    const refunds = year.stripe.all('refund').filter(({ status }) => status === 'succeeded')
    const atStripe = rows.map(({ id }) => {
      const paymentId = `pay_${id.replaceAll('-', '')}`
      const charges = year.stripe.charges(paymentId)
      const intents = new Set(charges.map(({ payment_intent }) => payment_intent))
      const back = refunds.filter(({ payment_intent }) => intents.has(payment_intent))
      const [paid, refunded] = [charges, back].map((of) => sumOf(of.map(({ amount }) => amount)))
      return { id, paid: String(paid), refunded: String(refunded) }
    })
    expect(atStripe).toEqual([...rows])
    expect(sumOf(rows.map(({ paid }) => BigInt(paid)))).toBeGreaterThan(0n)
    const all = year.stripe.charges().map(({ amount }) => amount)
    expect(sumOf(all)).toBe(sumOf(rows.map(({ paid }) => BigInt(paid))))
  })

  test('every invoice is paid, and nobody owes anything', async () => {
    const open = await year.veil.database.sql`
      select id, status from invoices where status not in ('paid', 'void')`
    expect([...open]).toEqual([])
    const owed = await year.veil.database.sql`
      select account.owner_id, sum(amount)::text as owed
      from ledger_entries join ledger_accounts as account on account.id = account_id
      where account.type = 'receivable' group by account.owner_id having sum(amount) <> 0`
    expect([...owed]).toEqual([])
  })

  test('the ledger sums to zero', async () => {
    const rows = await year.veil.database.sql`
      select currency, sum(amount)::text as sum from ledger_entries group by currency`
    for (const { sum } of rows) expect(sum).toBe('0')
  })

  test('every job run once more changes nothing', async () => {
    const before = await year.state()
    await year.runJobs()
    expect(await year.state()).toEqual(before)
  })
})
