import { and, desc, eq, notInArray, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { apis } from '#db/schema/catalog'
import { pricingModels } from '#db/schema/pricing'
import {
  apiSubscriptions,
  billingPeriods,
  subscriptionPricingHistory,
} from '#db/schema/subscriptions'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import type { PageRequest } from '#lib/page'

const columns = {
  id: apiSubscriptions.id,
  userId: apiSubscriptions.userId,
  status: apiSubscriptions.status,
  createdAt: apiSubscriptions.createdAt,
  spendCap: apiSubscriptions.spendCap,
  trialEndsAt: apiSubscriptions.trialEndsAt,
  cancelAt: apiSubscriptions.cancelAt,
  endedAt: apiSubscriptions.endedAt,
  scheduledPlanId: apiSubscriptions.scheduledPlanId,
  scheduledPlanAt: apiSubscriptions.scheduledPlanAt,
  scheduledPlanKind: apiSubscriptions.scheduledPlanKind,
  api: { id: apis.id, slug: apis.slug, name: apis.name },
  plan: {
    id: pricingModels.id,
    slug: pricingModels.slug,
    name: pricingModels.name,
    version: pricingModels.version,
  },
  period: {
    id: billingPeriods.id,
    kind: billingPeriods.kind,
    start: billingPeriods.startsAt,
    end: billingPeriods.endsAt,
    cycleStart: billingPeriods.cycleStartsAt,
    cycleEnd: billingPeriods.cycleEndsAt,
    flatFee: billingPeriods.flatFee,
    quotaLimit: billingPeriods.quotaLimit,
  },
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

/** What happened to a subscription, newest first. */
export function listHistory(db: Db, id: Id<'sub'>, page: PageRequest) {
  const history = subscriptionPricingHistory
  return db
    .select({
      id: history.id,
      reason: history.reason,
      plan: { id: pricingModels.id, slug: pricingModels.slug, version: pricingModels.version },
      effectiveAt: history.effectiveAt,
      details: history.details,
      createdAt: history.createdAt,
    })
    .from(history)
    .innerJoin(pricingModels, eq(pricingModels.id, history.pricingModelId))
    .where(and(eq(history.subscriptionId, id), olderThan(history, page.after)))
    .orderBy(desc(history.createdAt), desc(history.id))
    .limit(page.limit + 1)
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
): Promise<typeof apiSubscriptions.$inferSelect> {
  const [inserted] = await db.insert(apiSubscriptions).values(row).returning()
  return invariant(inserted, row.id)
}

/** Periods, history and the subscription itself; its keys must be gone. */
export async function deleteSubscription(db: Db, id: Id<'sub'>): Promise<void> {
  await db.delete(apiSubscriptions).where(eq(apiSubscriptions.id, id))
}

/** Holds a subscription as it is until the transaction ends; false when it has ended already. */
export async function lockLive(db: Db, id: Id<'sub'>): Promise<boolean> {
  const rows = await db
    .select({ id: apiSubscriptions.id })
    .from(apiSubscriptions)
    .where(
      and(
        eq(apiSubscriptions.id, id),
        notInArray(apiSubscriptions.status, ['cancelled', 'expired']),
      ),
    )
    .for('share')
  return rows.length === 1
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
