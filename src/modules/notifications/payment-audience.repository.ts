import { eq } from 'drizzle-orm'
import type { Db } from '#db/client'
import { invoices } from '#db/schema/billing'
import { disputes, paymentRecords, refunds } from '#db/schema/payments'
import type { Id } from '#lib/id'
import { moneyText } from '#lib/money-text'
import { admins, personOf } from './audience.repository'

/** News of a payment; null when there is none of this id. */
export async function newsOfPayment(db: Db, id: Id<'pay'>) {
  const [row] = await db
    .select({ payment: paymentRecords, number: invoices.number })
    .from(paymentRecords)
    .innerJoin(invoices, eq(invoices.id, paymentRecords.invoiceId))
    .where(eq(paymentRecords.id, id))
  if (!row) return null
  const { status, channel, currency, amount, failureCode, invoiceId, userId } = row.payment
  return {
    facts: {
      payment: {
        ...{ id, status, channel, currency, amount: Number(amount), failureCode },
        amountText: moneyText(amount, currency),
      },
      invoice: { id: invoiceId, number: row.number },
    },
    consumers: await personOf(db, userId),
  }
}

/** News of a refund, and of what it gives back. */
export async function newsOfRefund(db: Db, refundId: Id<'ref'>) {
  const [row] = await db.select().from(refunds).where(eq(refunds.id, refundId))
  const news = row && (await newsOfPayment(db, row.paymentId))
  if (!news) return null
  const { id, status, currency, amount, reason, failureCode } = row
  const texts = { amountText: moneyText(amount, currency), amount: Number(amount) }
  const refund = { id, status, currency, reason, failureCode, ...texts }
  return { ...news, facts: { refund, ...news.facts }, admins: await admins(db) }
}

/** News of a dispute, for those who run the marketplace. */
export async function newsOfDispute(db: Db, disputeId: Id<'dsp'>) {
  const [row] = await db.select().from(disputes).where(eq(disputes.id, disputeId))
  const news = row && (await newsOfPayment(db, row.paymentId))
  if (!news) return null
  const { id, status, currency, amount, reason } = row
  const texts = { amountText: moneyText(amount, currency), amount: Number(amount) }
  const dispute = { id, status, currency, reason, ...texts }
  return { facts: { dispute, ...news.facts }, admins: await admins(db) }
}
