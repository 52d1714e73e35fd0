import { and, desc, eq } from 'drizzle-orm'
import type { Db } from '#db/client'
import {
  apiSubscriptions,
  billingPeriods,
  subscriptionAdjustments,
  subscriptionPricingHistory,
} from '#db/schema/subscriptions'
import { usageCounters } from '#db/schema/usage'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'

export type SubscriptionRow = typeof apiSubscriptions.$inferSelect
export type BillingPeriod = typeof billingPeriods.$inferSelect
export type NewPeriod = typeof billingPeriods.$inferInsert
export type NewAdjustment = typeof subscriptionAdjustments.$inferInsert
export type NewHistory = typeof subscriptionPricingHistory.$inferInsert
export type HistoryReason = NewHistory['reason']

/**
 * Holds a subscription until the transaction ends. Whoever changes its state or its periods does so
 * under this lock, and takes it before all others.
 */
export async function lockSubscription(db: Db, id: Id<'sub'>): Promise<SubscriptionRow | null> {
  const [row] = await db
    .select()
    .from(apiSubscriptions)
    .where(eq(apiSubscriptions.id, id))
    .for('update')
  return row ?? null
}

export async function apiOf(db: Db, id: Id<'sub'>): Promise<Id<'api'> | null> {
  const [row] = await db
    .select({ apiId: apiSubscriptions.apiId })
    .from(apiSubscriptions)
    .where(eq(apiSubscriptions.id, id))
  return row?.apiId ?? null
}

export async function changeSubscription(
  db: Db,
  id: Id<'sub'>,
  change: Partial<Omit<SubscriptionRow, 'id' | 'changedXid'>> & { updatedAt: Date },
): Promise<SubscriptionRow> {
  const [row] = await db
    .update(apiSubscriptions)
    .set(change)
    .where(eq(apiSubscriptions.id, id))
    .returning()
  return invariant(row, id)
}

export async function newestPeriod(db: Db, id: Id<'sub'>): Promise<BillingPeriod> {
  const [row] = await db
    .select()
    .from(billingPeriods)
    .where(eq(billingPeriods.subscriptionId, id))
    .orderBy(desc(billingPeriods.ordinal))
    .limit(1)
  return invariant(row, `a period of ${id}`)
}

export async function insertPeriod(db: Db, row: NewPeriod): Promise<BillingPeriod> {
  const [period] = await db.insert(billingPeriods).values(row).returning()
  return invariant(period, row.id)
}

export async function changePeriod(
  db: Db,
  id: Id<'per'>,
  change: Partial<Omit<BillingPeriod, 'id' | 'subscriptionId' | 'ordinal'>>,
): Promise<BillingPeriod> {
  const [row] = await db
    .update(billingPeriods)
    .set(change)
    .where(eq(billingPeriods.id, id))
    .returning()
  return invariant(row, id)
}

export async function insertAdjustments(db: Db, rows: NewAdjustment[]): Promise<void> {
  if (rows.length > 0) await db.insert(subscriptionAdjustments).values(rows)
}

export async function insertHistory(db: Db, row: NewHistory): Promise<void> {
  await db.insert(subscriptionPricingHistory).values(row)
}

/** Billable units that the ledger has booked in a period. */
export async function unitsOf(db: Db, { id, subscriptionId }: BillingPeriod): Promise<bigint> {
  const [row] = await db
    .select({ units: usageCounters.units })
    .from(usageCounters)
    .where(
      and(eq(usageCounters.subscriptionId, subscriptionId), eq(usageCounters.billingPeriodId, id)),
    )
  return BigInt(row?.units ?? 0)
}
