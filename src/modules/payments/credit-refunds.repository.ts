import { and, asc, desc, eq, inArray } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Db } from '#db/client'
import { invoices } from '#db/schema/billing'
import { paymentRecords, refunds } from '#db/schema/payments'
import { billingPeriods, subscriptionAdjustments } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { Payment } from './payments.repository'
import type { Refund } from './refunds.repository'

/** What a cancellation gives back, as it stands on the last invoice. Minor units, with tax. */
export interface CancellationCredit {
  adjustmentId: Id<'adj'>
  invoiceId: Id<'inv'>
  userId: Id<'usr'>
  currency: string
  /** The period that was cut. */
  periodId: Id<'per'>
  amount: bigint
  /** All that the invoice added to the customer's credit. */
  carried: bigint
}

export async function listCancellationCredits(
  db: Db,
  invoiceId: Id<'inv'>,
): Promise<CancellationCredit[]> {
  const rows = await db
    .select({ invoice: invoices, adjustment: subscriptionAdjustments })
    .from(subscriptionAdjustments)
    .innerJoin(invoices, eq(invoices.id, subscriptionAdjustments.invoiceId))
    .where(
      and(
        eq(invoices.id, invoiceId),
        eq(subscriptionAdjustments.code, 'cancellation_credit'),
        // Adjustments have an index by subscription.
        eq(subscriptionAdjustments.subscriptionId, invoices.subscriptionId),
      ),
    )
    .orderBy(asc(subscriptionAdjustments.id))
  return rows.map(({ invoice, adjustment }) => ({
    ...{ adjustmentId: adjustment.id, invoiceId, userId: invoice.userId },
    ...{ currency: invoice.currency, periodId: adjustment.billingPeriodId },
    ...{ amount: withTaxOf(invoice, adjustment.id), carried: invoice.carriedToCredit },
  }))
}

/** What an adjustment's line takes off the invoice, with the tax that falls on it. */
function withTaxOf(
  { lines, pricesIncludeTax }: typeof invoices.$inferSelect,
  adjustmentId: Id<'adj'>,
): bigint {
  return lines
    .filter(({ source }) => source.kind === 'adjustment' && source.adjustmentId === adjustmentId)
    .reduce((sum, { amount, tax }) => sum - BigInt(pricesIncludeTax ? amount : amount + tax), 0n)
}

/** What was begun for a source already. */
export function listRefundsOf(tx: Db, sourceId: string): Promise<Refund[]> {
  return tx.select().from(refunds).where(eq(refunds.sourceId, sourceId)).orderBy(asc(refunds.id))
}

/** Payments by card, pending or received, of the invoices that charged the cycle's fee; newest first. */
export function listFeePayments(tx: Db, { periodId }: CancellationCredit): Promise<Payment[]> {
  const cut = alias(billingPeriods, 'cut')
  const charged = tx
    .select({ id: billingPeriods.advanceInvoiceId })
    .from(cut)
    .innerJoin(
      billingPeriods,
      and(
        eq(billingPeriods.subscriptionId, cut.subscriptionId),
        // Periods that a change of plan cut from one cycle share its fee.
        eq(billingPeriods.cycleStartsAt, cut.cycleStartsAt),
      ),
    )
    .where(eq(cut.id, periodId))
  return tx
    .select()
    .from(paymentRecords)
    .where(
      and(
        inArray(paymentRecords.invoiceId, charged),
        eq(paymentRecords.provider, 'stripe'),
        inArray(paymentRecords.status, ['pending', 'succeeded']),
      ),
    )
    .orderBy(desc(paymentRecords.createdAt), desc(paymentRecords.id))
}
