import { prorate } from '#lib/money'
import type { LedgerEntry } from '#modules/ledger'
import type { Invoice } from './invoice.repository'

type Parties = Pick<Invoice, 'userId' | 'providerId'>

/** How an amount with tax is made up. Minor units. */
export interface Share {
  earnings: bigint
  fee: bigint
  tax: bigint
}

/**
 * What the part `[from, to)` of an invoice's total is made up of. Parts that follow each other sum to
 * the whole, whatever they are: each is the difference of two rounded sums.
 */
export function shareOf(
  { total, tax, providerEarnings }: Pick<Invoice, 'total' | 'tax' | 'providerEarnings'>,
  from: bigint,
  to: bigint,
): Share {
  const upTo = (whole: bigint, part: bigint) => prorate(whole, { part, whole: total })
  const part = (whole: bigint) => upTo(whole, to) - upTo(whole, from)
  const [taxPart, earnings] = [part(tax), part(providerEarnings)]
  return { tax: taxPart, earnings, fee: to - from - taxPart - earnings }
}

/** What a finalized invoice books: who owes it, what credit paid of it, who earns it. */
export const finalized = (
  invoice: Parties &
    Pick<Invoice, 'total' | 'creditApplied' | 'carriedToCredit'> &
    Pick<Invoice, 'providerEarnings' | 'platformFee' | 'tax'>,
): LedgerEntry[] => [
  {
    account: { type: 'receivable', ownerId: invoice.userId },
    amount: invoice.total - invoice.creditApplied,
  },
  toCredit(invoice, invoice.carriedToCredit - invoice.creditApplied),
  ...taken(invoice, {
    earnings: -invoice.providerEarnings,
    fee: -invoice.platformFee,
    tax: -invoice.tax,
  }),
]

/** Takes back what was earned. */
export const taken = ({ providerId }: Parties, { earnings, fee, tax }: Share): LedgerEntry[] => [
  { account: { type: 'provider_earnings', ownerId: providerId }, amount: earnings },
  { account: { type: 'platform_fee', ownerId: null }, amount: fee },
  { account: { type: 'tax_payable', ownerId: null }, amount: tax },
]

/** Changes what is owed on an invoice; once it is given up, that is bad debt. */
export const owedOn = (
  { status, userId }: Pick<Invoice, 'status' | 'userId'>,
  amount: bigint,
): LedgerEntry =>
  status === 'uncollectible'
    ? { account: { type: 'bad_debt', ownerId: null }, amount }
    : { account: { type: 'receivable', ownerId: userId }, amount }

/** @param amount above 0: the customer gets it; below 0: it is taken */
export const toCredit = ({ userId }: Pick<Invoice, 'userId'>, amount: bigint): LedgerEntry => ({
  account: { type: 'customer_credit', ownerId: userId },
  amount: -amount,
})
