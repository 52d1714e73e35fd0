import { and, asc, desc, eq, isNotNull, lt, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { paymentRecords, refunds } from '#db/schema/payments'
import { billingPeriods } from '#db/schema/subscriptions'
import { usageCounters } from '#db/schema/usage'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'

export type Refund = typeof refunds.$inferSelect

export async function insertRefund(tx: Db, row: typeof refunds.$inferInsert): Promise<Refund> {
  const [refund] = await tx.insert(refunds).values(row).returning()
  return invariant(refund, row.id)
}

export async function lockRefund(tx: Db, id: Id<'ref'>): Promise<Refund> {
  const [row] = await tx.select().from(refunds).where(eq(refunds.id, id)).for('no key update')
  return invariant(row, id)
}

/** By the provider's id, or by ours where the provider has told it. */
export async function findRefund(
  tx: Db,
  { id: externalId, refundId }: { id: string; refundId: Id<'ref'> | null },
): Promise<Refund | null> {
  const [row] = await tx
    .select()
    .from(refunds)
    .where(refundId ? eq(refunds.id, refundId) : eq(refunds.externalId, externalId))
  return row ?? null
}

export async function changeRefund(
  db: Db,
  id: Id<'ref'>,
  change: Partial<typeof refunds.$inferInsert>,
): Promise<Refund> {
  const [refund] = await db.update(refunds).set(change).where(eq(refunds.id, id)).returning()
  return invariant(refund, id)
}

/** Newest first. */
export function listRefunds(db: Db, paymentId: Id<'pay'>): Promise<Refund[]> {
  return db
    .select()
    .from(refunds)
    .where(eq(refunds.paymentId, paymentId))
    .orderBy(desc(refunds.createdAt), desc(refunds.id))
}

/** Begun before an instant and still under way, oldest first. */
export function listPendingRefunds(db: Db, before: Date, limit: number): Promise<Refund[]> {
  return db
    .select()
    .from(refunds)
    .where(and(eq(refunds.status, 'pending'), lt(refunds.createdAt, before)))
    .orderBy(asc(refunds.createdAt))
    .limit(limit)
}

/** Sets a part of a payment aside for a refund, or gives it free again where `amount` is below 0. */
export async function reserve(tx: Db, id: Id<'pay'>, amount: bigint): Promise<void> {
  await tx
    .update(paymentRecords)
    .set({ amountRefunded: sql`${paymentRecords.amountRefunded} + ${amount}` })
    .where(eq(paymentRecords.id, id))
}

/** How much of the quota that an invoice's fee pays for is used; null where there is none. */
export async function consumptionOf(
  db: Db,
  invoiceId: Id<'inv'>,
): Promise<{ units: bigint; limit: bigint } | null> {
  const [row] = await db
    .select({ limit: billingPeriods.quotaLimit, units: usageCounters.units })
    .from(billingPeriods)
    .leftJoin(usageCounters, eq(usageCounters.billingPeriodId, billingPeriods.id))
    .where(
      and(eq(billingPeriods.advanceInvoiceId, invoiceId), isNotNull(billingPeriods.quotaLimit)),
    )
    .limit(1)
  if (!row?.limit) return null
  return { units: BigInt(row.units ?? 0), limit: BigInt(row.limit) }
}
