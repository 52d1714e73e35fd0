import { systemClock } from '#infra/clock'
import type { Clock } from '#lib/clock'
import { FakeStripe } from '#test/stripe/index'
import { eventually, PASSWORD, type TestUser, TestVeil } from '#test/veil'
import { type OpenInvoiceOptions, openInvoice } from '../billing/invoice-fixture'

/** Veil with Stripe's stand-in, whose events it gets. */
export async function startWithStripe(
  environment: Record<string, string> = {},
): Promise<{ veil: TestVeil; stripe: FakeStripe }> {
  let clock: Clock = systemClock
  const stripe = await FakeStripe.start({ now: () => clock.now() })
  const veil = await TestVeil.start({ ...stripe.environment, ...environment })
  clock = veil.clock
  stripe.deliverTo(veil.url)
  return { veil, stripe }
}

/** Gives a consumer a card, as Stripe.js would. @returns our view of it */
export async function addCard(
  { veil, stripe }: { veil: TestVeil; stripe: FakeStripe },
  { token }: TestUser,
  card = 'pm_card_visa',
): Promise<any> {
  const before = (await veil.expectOk('GET', '/payments/methods', { token })).items
  const { setupIntentId } = await veil.expectOk('POST', '/payments/methods/setup', { token })
  stripe.confirmSetup(setupIntentId, card)
  const { items } = await eventually(
    () => veil.expectOk('GET', '/payments/methods', { token }),
    ({ items }) => items.length > before.length,
  )
  return items[0]
}

export interface Owed {
  id: string
  userId: string
}

/** An open invoice of a consumer's over 119.00, which Veil is told to collect. */
export async function owe(
  { container, clock }: TestVeil,
  { id }: TestUser,
  options: Omit<OpenInvoiceOptions, 'userId'> = {},
): Promise<Owed> {
  const { database, ledger } = container
  const userId = id as `usr_${string}`
  return openInvoice(database.db, ledger, { userId, at: clock.now(), ...options })
}

/** Asks for the payments of an invoice until they satisfy. */
export const paymentsOf = (
  veil: TestVeil,
  { token }: TestUser,
  { id }: Owed,
  satisfy: (payments: any[]) => boolean = () => true,
): Promise<any[]> =>
  eventually(
    async () => (await veil.expectOk('GET', `/payments?invoiceId=${id}`, { token })).items,
    satisfy,
  )

export async function invoiceRow(veil: TestVeil, { id }: Owed) {
  const [row] = await veil.database.sql`
    select status, amount_paid::int as paid, amount_due::int as due, subscription_id
    from invoices where id = ${id.slice('inv_'.length)}`
  return row as { status: string; paid: number; due: number; subscription_id: string | null }
}

/** What is on the accounts of some type, in minor units by currency; 0 is left out. */
export async function balances(veil: TestVeil, type: string): Promise<Record<string, number>> {
  const rows = await veil.database.sql`
    select a.currency, sum(amount)::int as amount
    from ledger_entries join ledger_accounts a on a.id = account_id
    where type = ${type} group by a.currency having sum(amount) <> 0`
  return Object.fromEntries(rows.map(({ currency, amount }) => [currency, amount]))
}

/** After a leap of the clock tokens are too old. */
export async function signInAgain(veil: TestVeil, user: TestUser): Promise<TestUser> {
  const body = { email: user.email, password: PASSWORD }
  const { accessToken } = await veil.expectOk('POST', '/auth/login', { body })
  return { ...user, token: accessToken }
}
