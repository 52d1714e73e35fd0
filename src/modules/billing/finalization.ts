import type { Db } from '#db/client'
import { publishMany } from '#infra/queue'
import { parseDecimal } from '#lib/decimal'
import { invariant } from '#lib/errors'
import type { AtFailpoint } from '#lib/failpoint'
import type { Id } from '#lib/id'
import { prorate } from '#lib/money'
import type { Ledger } from '#modules/ledger'
import { documentNumber } from './document-number'
import {
  invoiceCarriedToCredit,
  invoiceCollectionDue,
  invoiceFinalized,
  invoicePaid,
} from './events'
import {
  type DraftRow,
  type FinalInvoice,
  finalizeDrafts,
  isPaidAtOnce,
  listDrafts,
  lockDrafts,
} from './finalization.repository'
import { nextSequence } from './invoice.repository'
import { finalized } from './postings'
import type { BillingSettings } from './settings'
import { type TaxRule, type TaxRules, withTax } from './tax'

/** Invoices of one transaction. */
const AT_ONCE = 500
const DAY_MS = 86_400_000
const FIRST: Id<'inv'> = `inv_${'0'.repeat(32)}`

export interface FinalizationOptions {
  db: Db
  ledger: Ledger
  taxRules: TaxRules
  settings: () => BillingSettings
  reached: AtFailpoint
}

/** An invoice that is all there but for credit and number. */
type Prepared = Omit<FinalInvoice, 'sequence' | 'number' | 'creditApplied'>

/**
 * Turns drafts into invoices: tax, credit, number, ledger and events in one transaction, which either
 * is there as a whole or has not been.
 */
export class Finalization {
  constructor(private readonly options: FinalizationOptions) {}

  async finalizeAll(now: Date): Promise<{ finalized: number }> {
    const { db, taxRules } = this.options
    let [count, after] = [0, FIRST]
    for (;;) {
      const drafts = await listDrafts(db, after, AT_ONCE)
      const last = drafts.at(-1)
      if (!last) return { finalized: count }
      const rules = await taxRules.rulesFor(drafts.map(taxCustomer))
      const settings = this.options.settings()
      const prepared = drafts.map((row, position) =>
        prepare(row, rules[position] ?? null, settings, now),
      )
      count += await db.transaction((tx) => this.finalize(tx, prepared, now))
      after = last.draft.id
    }
  }

  private async finalize(tx: Db, prepared: readonly Prepared[], now: Date): Promise<number> {
    const held = await lockDrafts(
      tx,
      prepared.map(({ id }) => id),
    )
    const ours = prepared.filter(({ id }) => held.has(id))
    if (ours.length === 0) return 0
    const paid = await this.applyCredit(tx, ours)
    const first = await nextSequence(tx, 'invoice', paid.length)
    const { numberPrefix } = this.options.settings().invoice
    const finals = paid.map((invoice, position) => {
      const sequence = first + position
      return { ...invoice, sequence, number: documentNumber(numberPrefix, 'invoice', sequence) }
    })
    await finalizeDrafts(tx, finals)
    await this.options.ledger.postAll(
      tx,
      finals.map((invoice) => ({
        ...{ kind: 'invoice.finalized', reference: invoice.id, at: now },
        ...{ currency: invoice.currency, entries: finalized(invoice) },
      })),
    )
    await announce(tx, finals, now)
    await this.options.reached('invoice.before-commit')
    return finals.length
  }

  /** Pays out of the customers' credit as much as there is; of several invoices the first ones first. */
  private async applyCredit(tx: Db, invoices: readonly Prepared[]) {
    const owed = Map.groupBy(
      invoices.filter(({ total }) => total > 0n),
      ({ currency }) => currency,
    )
    const credit = new Map<string, bigint>()
    for (const [currency, ofCurrency] of [...owed].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const owners = [...new Set(ofCurrency.map(({ userId }) => userId))]
      const balances = await this.options.ledger.lockBalances(
        tx,
        'customer_credit',
        currency,
        owners,
      )
      for (const [userId, balance] of balances) credit.set(`${currency} ${userId}`, -balance)
    }
    return invoices.map((invoice) => {
      const purse = `${invoice.currency} ${invoice.userId}`
      const left = credit.get(purse) ?? 0n
      if (left <= 0n || invoice.total === 0n) return { ...invoice, creditApplied: 0n }
      const creditApplied = left < invoice.total ? left : invoice.total
      credit.set(purse, left - creditApplied)
      return { ...invoice, creditApplied }
    })
  }
}

const taxCustomer = ({ profile }: DraftRow) => ({
  country: profile?.country ?? null,
  region: profile?.region ?? null,
  taxId: profile?.taxId ?? null,
  taxIdConfirmed: profile?.taxIdConfirmed ?? null,
  taxExempt: profile?.taxExempt ?? false,
})

/** The platform fee is taken of the net amount, rounded once; the provider earns the rest. Pure. */
function prepare(row: DraftRow, rule: TaxRule, settings: BillingSettings, now: Date): Prepared {
  const { draft, profile } = row
  const { seller, tax, platformFee, invoice } = settings
  const pricesIncludeTax = tax.mode === 'inclusive'
  const { sum, ...taxed } = withTax(draft.lines, rule, pricesIncludeTax)
  const fee =
    draft.providerId === null ? taxed.subtotal : feeOf(taxed.subtotal, platformFee.percent)
  return {
    ...{ ...draft, ...taxed, pricesIncludeTax },
    total: sum > 0n ? sum : 0n,
    carriedToCredit: sum < 0n ? -sum : 0n,
    platformFee: fee,
    providerEarnings: taxed.subtotal - fee,
    seller: {
      ...{ name: seller.name, address: seller.address, country: seller.country ?? null },
      ...{ taxId: seller.taxId ?? null, email: seller.email ?? null },
    },
    buyer: {
      ...{ name: profile?.name ?? row.userName, address: profile?.address ?? [] },
      ...{ country: profile?.country ?? null, taxId: profile?.taxId ?? null },
    },
    finalizedAt: now,
    dueAt: new Date(now.getTime() + invoice.dueDays * DAY_MS),
  }
}

function feeOf(net: bigint, percent: string): bigint {
  const { units, scale } = invariant(parseDecimal(percent), `platform fee of ${percent} %`)
  return prorate(net, { part: units, whole: 100n * 10n ** BigInt(scale) })
}

async function announce(tx: Db, finals: readonly FinalInvoice[], now: Date): Promise<void> {
  const of = (invoices: readonly FinalInvoice[]) =>
    invoices.map(({ id: invoiceId }) => ({ payload: { invoiceId, at: now.toISOString() } }))
  await publishMany(tx, invoiceFinalized, of(finals))
  await publishMany(tx, invoicePaid, of(finals.filter(isPaidAtOnce)))
  const carried = finals.filter(({ carriedToCredit }) => carriedToCredit > 0n)
  await publishMany(tx, invoiceCarriedToCredit, of(carried))
  await publishMany(tx, invoiceCollectionDue, of(finals.filter((final) => !isPaidAtOnce(final))))
}
