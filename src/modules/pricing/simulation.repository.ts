import { and, desc, eq, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import { usageCounters } from '#db/schema/usage'
import type { Id } from '#lib/id'

/** A period of a subscription with the units that were counted in it. */
export type CountedPeriod = Awaited<ReturnType<typeof lastPeriods>>[number]

/** Periods that are over, the newest first; none of a subscription that is not theirs. */
export function lastPeriods(db: Db, userId: Id<'usr'>, id: Id<'sub'>, now: Date, limit: number) {
  return db
    .select({
      ...{
        id: billingPeriods.id,
        planId: billingPeriods.pricingModelId,
        kind: billingPeriods.kind,
      },
      ...{ startsAt: billingPeriods.startsAt, endsAt: billingPeriods.endsAt },
      cycleStartsAt: billingPeriods.cycleStartsAt,
      cycleEndsAt: billingPeriods.cycleEndsAt,
      ...{ flatFee: billingPeriods.flatFee, quotaLimit: billingPeriods.quotaLimit },
      units: sql<number>`coalesce(${usageCounters.units}, 0)::float8`,
    })
    .from(billingPeriods)
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, billingPeriods.subscriptionId))
    .leftJoin(
      usageCounters,
      and(
        eq(usageCounters.subscriptionId, billingPeriods.subscriptionId),
        eq(usageCounters.billingPeriodId, billingPeriods.id),
      ),
    )
    .where(
      and(
        eq(billingPeriods.subscriptionId, id),
        eq(apiSubscriptions.userId, userId),
        sql`${billingPeriods.endsAt} <= ${now.toISOString()}::timestamptz`,
      ),
    )
    .orderBy(desc(billingPeriods.ordinal))
    .limit(limit)
}

export async function ownsSubscription(db: Db, userId: Id<'usr'>, id: Id<'sub'>): Promise<boolean> {
  const found = await db.$count(
    apiSubscriptions,
    and(eq(apiSubscriptions.id, id), eq(apiSubscriptions.userId, userId)),
  )
  return found > 0
}
