import type { BuyerSnapshot, SellerSnapshot, TaxLine } from '#db/schema/billing'
import { invariant } from '#lib/errors'
import { moneyText } from '#lib/money-text'
import type { Invoice } from './invoice.repository'

/** A row of the table of lines, as it is read. */
export interface DocumentRow {
  description: string
  /** How the amount came about, in smaller print. */
  explain: string
  quantity: string
  amount: string
}

/** An invoice in words and figures, whatever it is drawn with. */
export interface InvoiceDocument {
  heading: string
  title: string
  seller: string[]
  buyer: string[]
  facts: [string, string][]
  rows: DocumentRow[]
  /** The last one is what counts. */
  totals: [string, string][]
  notes: string[]
}

const NOTES: Record<Exclude<TaxLine['reason'], 'standard'>, string> = {
  reverse_charge:
    'Reverse charge: VAT is to be accounted for by the recipient (Art. 196 of Directive 2006/112/EC).',
  exempt: 'The customer is exempt from tax.',
}

/** What stands on a finalized invoice. */
export function documentOf(invoice: Invoice): InvoiceDocument {
  const { currency, title } = invoice
  const number = invariant(invoice.number, `number of ${invoice.id}`)
  const money = (amount: bigint | number) => moneyText(BigInt(amount), currency)
  return {
    ...{ heading: `Invoice ${number}`, title },
    seller: invoice.seller ? partyLines(invoice.seller) : [],
    buyer: invoice.buyer ? partyLines(invoice.buyer) : [],
    facts: [
      ['Date', dayOf(invoice.finalizedAt)],
      ['Due', dayOf(invoice.dueAt)],
      ['Currency', currency],
    ],
    rows: invoice.lines.map(({ description, explain, quantity, amount }) => ({
      ...{ description, explain, quantity: String(quantity), amount: money(amount) },
    })),
    totals: totalsOf(invoice, money),
    notes: [
      ...(invoice.pricesIncludeTax ? ['The amounts of the lines include tax.'] : []),
      ...invoice.taxes.flatMap(({ reason }) => (reason === 'standard' ? [] : [NOTES[reason]])),
    ],
  }
}

function totalsOf(
  invoice: Invoice,
  money: (amount: bigint | number) => string,
): [string, string][] {
  const { carriedToCredit, creditApplied, total } = invoice
  const rows: [string, string][] = [
    ['Net', money(invoice.subtotal)],
    ...invoice.taxes.map(({ rate, country, tax }): [string, string] => [
      `Tax ${rate} % (${country})`,
      money(tax),
    ]),
  ]
  if (carriedToCredit > 0n) rows.push(['Added to your credit', money(carriedToCredit)])
  rows.push(['Total', money(total)])
  if (creditApplied > 0n) rows.push(['Paid from your credit', money(-creditApplied)])
  // As of the day it was made: a document does not change when it is paid.
  rows.push(['Amount due', money(total - creditApplied)])
  return rows
}

function partyLines({ name, address, country, taxId }: SellerSnapshot | BuyerSnapshot): string[] {
  return [name, ...address, ...(country ? [country] : []), ...(taxId ? [`VAT id ${taxId}`] : [])]
}

const dayOf = (at: Date | null): string => at?.toISOString().slice(0, 10) ?? ''
