import { eq } from 'drizzle-orm'
import type { Db } from '#db/client'
import { invoices } from '#db/schema/billing'
import { paymentRecords } from '#db/schema/payments'
import type { Id } from '#lib/id'
import { moneyText } from '#lib/money-text'
import { personOf } from './audience.repository'

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
