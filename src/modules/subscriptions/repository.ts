import { and, desc, eq, inArray, lte, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { apis } from '#db/schema/catalog'
import { pricingModels } from '#db/schema/pricing'
import {
  apiSubscriptions,
  billingPeriods,
  subscriptionPricingHistory,
} from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { PageRequest } from '#lib/page'
import type { BillingCycle } from '#lib/period'

export type BillingPeriod = typeof billingPeriods.$inferSelect

const columns = {
  id: apiSubscriptions.id,
  userId: apiSubscriptions.userId,
  status: apiSubscriptions.status,
  createdAt: apiSubscriptions.createdAt,
  spendCap: apiSubscriptions.spendCap,
  api: { id: apis.id, slug: apis.slug, name: apis.name },
  plan: {
    id: pricingModels.id,
    slug: pricingModels.slug,
    name: pricingModels.name,
    version: pricingModels.version,
  },
  period: { id: billingPeriods.id, start: billingPeriods.startsAt, end: billingPeriods.endsAt },
}

/** A subscription with its newest period, which is the running one once renewal has run. */
function selectSubscriptions(db: Db) {
  const newest = sql`(select max(${billingPeriods.ordinal}) from ${billingPeriods}
    where ${billingPeriods.subscriptionId} = ${apiSubscriptions.id})`
  return db
    .select(columns)
    .from(apiSubscriptions)
    .innerJoin(apis, eq(apis.id, apiSubscriptions.apiId))
    .innerJoin(pricingModels, eq(pricingModels.id, apiSubscriptions.pricingModelId))
    .innerJoin(
      billingPeriods,
      and(
        eq(billingPeriods.subscriptionId, apiSubscriptions.id),
        eq(billingPeriods.ordinal, newest),
      ),
    )
}

export type Subscription = Awaited<ReturnType<typeof listSubscriptions>>[number]

export function listSubscriptions(db: Db, userId: Id<'usr'>, page: PageRequest) {
  return selectSubscriptions(db)
    .where(and(eq(apiSubscriptions.userId, userId), olderThan(apiSubscriptions, page.after)))
    .orderBy(desc(apiSubscriptions.createdAt), desc(apiSubscriptions.id))
    .limit(page.limit + 1)
}

export async function findSubscription(db: Db, id: Id<'sub'>): Promise<Subscription | null> {
  const [row] = await selectSubscriptions(db).where(eq(apiSubscriptions.id, id))
  return row ?? null
}

/** Holds the API as it is until the transaction ends; false when it is not published any more. */
export async function lockPublished(db: Db, apiId: Id<'api'>): Promise<boolean> {
  const rows = await db
    .select({ id: apis.id })
    .from(apis)
    .where(and(eq(apis.id, apiId), eq(apis.status, 'published')))
    .for('share')
  return rows.length === 1
}

export async function insertSubscription(
  db: Db,
  row: typeof apiSubscriptions.$inferInsert,
): Promise<void> {
  await db.insert(apiSubscriptions).values(row)
}

export async function insertHistory(
  db: Db,
  row: typeof subscriptionPricingHistory.$inferInsert,
): Promise<void> {
  await db.insert(subscriptionPricingHistory).values(row)
}

/** Opens a period once, however often and by however many it is asked for. */
export async function openPeriod(
  db: Db,
  row: typeof billingPeriods.$inferInsert,
): Promise<boolean> {
  const rows = await db
    .insert(billingPeriods)
    .values(row)
    .onConflictDoNothing()
    .returning({ id: billingPeriods.id })
  return rows.length === 1
}

/** Periods, history and the subscription itself; its keys must be gone. */
export async function deleteSubscription(db: Db, id: Id<'sub'>): Promise<void> {
  await db.delete(apiSubscriptions).where(eq(apiSubscriptions.id, id))
}

/** What a period takes from its plan. */
export interface PeriodTerms {
  id: Id<'plan'>
  billingCycle: BillingCycle
  flatFee: bigint
  quotaLimit: number | null
}

export interface DueRenewal {
  id: Id<'sub'>
  anchorAt: Date
  plan: PeriodTerms
  ordinal: number
}

/** Live subscriptions whose newest period has ended. */
export function dueRenewals(db: Db, now: Date, limit: number): Promise<DueRenewal[]> {
  return db
    .select({
      id: apiSubscriptions.id,
      anchorAt: apiSubscriptions.anchorAt,
      plan: {
        id: pricingModels.id,
        billingCycle: pricingModels.billingCycle,
        flatFee: pricingModels.flatFee,
        quotaLimit: pricingModels.quotaLimit,
      },
      ordinal: billingPeriods.ordinal,
    })
    .from(billingPeriods)
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, billingPeriods.subscriptionId))
    .innerJoin(pricingModels, eq(pricingModels.id, apiSubscriptions.pricingModelId))
    .where(
      and(
        eq(billingPeriods.status, 'open'),
        lte(billingPeriods.endsAt, now),
        inArray(apiSubscriptions.status, ['trialing', 'active', 'past_due']),
      ),
    )
    .limit(limit)
}

export async function closePeriod(db: Db, id: Id<'sub'>, ordinal: number): Promise<void> {
  await db
    .update(billingPeriods)
    .set({ status: 'closed' })
    .where(and(eq(billingPeriods.subscriptionId, id), eq(billingPeriods.ordinal, ordinal)))
}

/** Tells the edge, which watches subscriptions, that there is something new to read. */
export async function touch(db: Db, id: Id<'sub'>, at: Date): Promise<void> {
  await db.update(apiSubscriptions).set({ updatedAt: at }).where(eq(apiSubscriptions.id, id))
}

/** @param amount minor units of the plan's currency; null = no cap */
export async function writeSpendCap(
  db: Db,
  id: Id<'sub'>,
  amount: number | null,
  at: Date,
): Promise<void> {
  await db
    .update(apiSubscriptions)
    .set({ spendCap: amount, updatedAt: at })
    .where(eq(apiSubscriptions.id, id))
}
