import { and, eq, gte, inArray, isNotNull, lt, or } from 'drizzle-orm'
import type { Db } from '#db/client'
import { paymentRecords, refunds } from '#db/schema/payments'
import type { Id } from '#lib/id'
import type { Payment } from './payments.repository'
import type { Refund } from './refunds.repository'

/** From the first instant to before the second. */
export interface Span {
  from: Date
  until: Date
}

/** Payments by the provider's ids, and those that ask by ours. */
export function findPayments(
  db: Db,
  ids: { externalIds: string[]; paymentIds: Id<'pay'>[] },
): Promise<Payment[]> {
  return db
    .select()
    .from(paymentRecords)
    .where(
      and(
        eq(paymentRecords.provider, 'stripe'),
        or(
          inArray(paymentRecords.externalId, ids.externalIds),
          inArray(paymentRecords.id, ids.paymentIds),
        ),
      ),
    )
}

export function findRefunds(db: Db, externalIds: string[]): Promise<Refund[]> {
  return db.select().from(refunds).where(inArray(refunds.externalId, externalIds))
}

/** The provider's ids of payments that came in, by our books. */
export async function receivedBetween(db: Db, { from, until }: Span): Promise<string[]> {
  const rows = await db
    .select({ externalId: paymentRecords.externalId })
    .from(paymentRecords)
    .where(
      and(
        eq(paymentRecords.provider, 'stripe'),
        eq(paymentRecords.status, 'succeeded'),
        gte(paymentRecords.createdAt, from),
        lt(paymentRecords.createdAt, until),
      ),
    )
  return rows.flatMap(({ externalId }) => externalId ?? [])
}

/** The provider's ids of refunds that were made, by our books. */
export async function refundedBetween(db: Db, { from, until }: Span): Promise<string[]> {
  const rows = await db
    .select({ externalId: refunds.externalId })
    .from(refunds)
    .where(
      and(
        isNotNull(refunds.externalId),
        eq(refunds.status, 'succeeded'),
        gte(refunds.createdAt, from),
        lt(refunds.createdAt, until),
      ),
    )
  return rows.flatMap(({ externalId }) => externalId ?? [])
}
