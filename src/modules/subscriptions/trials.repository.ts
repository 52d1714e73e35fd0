import { and, asc, eq, exists, gt, gte, isNotNull, isNull, lt, lte, or, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { pricingModels } from '#db/schema/pricing'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import { usageCounters } from '#db/schema/usage'
import type { Id } from '#lib/id'

const DAY_MS = 86_400_000
const { id, userId, apiId, status, trialEndsAt, trialRemindedAt, createdAt } = apiSubscriptions

/** Whether the user has had a trial of the API, in a subscription that is over. */
export async function hadTrial(db: Db, of: { userId: Id<'usr'>; apiId: Id<'api'> }) {
  const mine = and(eq(userId, of.userId), eq(apiId, of.apiId), isNotNull(trialEndsAt))
  return (await db.$count(apiSubscriptions, mine)) > 0
}

type Due = (db: Db, now: Date, after: Id<'sub'> | null, limit: number) => Promise<Id<'sub'>[]>

/** Trials whose date has come or whose units are used up, from `after` on. */
export const dueTrials: Due = async (db, now, after, limit) => {
  const usedUp = db
    .select({ id: billingPeriods.id })
    .from(billingPeriods)
    .innerJoin(pricingModels, eq(pricingModels.id, billingPeriods.pricingModelId))
    .innerJoin(
      usageCounters,
      and(
        eq(usageCounters.subscriptionId, billingPeriods.subscriptionId),
        eq(usageCounters.billingPeriodId, billingPeriods.id),
      ),
    )
    .where(
      and(
        eq(billingPeriods.subscriptionId, id),
        and(eq(billingPeriods.kind, 'trial'), eq(billingPeriods.status, 'open')),
        isNotNull(pricingModels.trialUnits),
        gte(usageCounters.units, billingPeriods.quotaLimit),
      ),
    )
  const due = or(lte(trialEndsAt, now), exists(usedUp))
  return idsOf(db, and(eq(status, 'trialing'), due), after, limit)
}

/** Trials that nobody has taken up for so many days. */
export const abandonedTrials =
  (days: number): Due =>
  (db, now, after, limit) => {
    const before = new Date(now.getTime() - days * DAY_MS)
    const regular = sql`exists (select from ${billingPeriods}
      where ${billingPeriods.subscriptionId} = ${id} and ${billingPeriods.kind} = 'regular')`
    const idle = and(eq(status, 'suspended'), lte(trialEndsAt, before), sql`not ${regular}`)
    return idsOf(db, idle, after, limit)
  }

async function idsOf(
  db: Db,
  which: ReturnType<typeof and>,
  after: Id<'sub'> | null,
  limit: number,
) {
  const rows = await db
    .select({ id })
    .from(apiSubscriptions)
    .where(and(which, after === null ? undefined : gt(id, after)))
    .orderBy(asc(id))
    .limit(limit)
  return rows.map((row) => row.id)
}

/** Notes that the ends of trials within so many days are announced; shorter trials need no reminder. */
export function markReminded(db: Db, now: Date, days: number) {
  const ahead = sql`${days} * interval '24 hours'`
  return db
    .update(apiSubscriptions)
    .set({ trialRemindedAt: now })
    .where(
      and(
        and(eq(status, 'trialing'), isNull(trialRemindedAt), isNull(apiSubscriptions.cancelAt)),
        gt(trialEndsAt, now),
        lte(trialEndsAt, new Date(now.getTime() + days * DAY_MS)),
        lt(createdAt, sql`${trialEndsAt} - ${ahead}`),
      ),
    )
    .returning({ subscriptionId: id, endsAt: trialEndsAt })
}
