import { and, asc, eq, gt, inArray, isNull, lte, notInArray, or, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import { usageCounters, usageProjections } from '#db/schema/usage'
import type { Id } from '#lib/id'

export type Limit = 'quota' | 'spend-cap'

const TOLD = {
  quota: usageProjections.quotaToldAt,
  'spend-cap': usageProjections.spendCapToldAt,
} as const

/** Running periods with a limit that nobody was told of yet, in the order of their ids. */
export function untoldPeriods(db: Db, now: Date, after: Id<'per'> | null, limit: number) {
  const { quotaToldAt, spendCapToldAt } = usageProjections
  const { quotaLimit } = billingPeriods
  return db
    .select({
      subscriptionId: billingPeriods.subscriptionId,
      planId: billingPeriods.pricingModelId,
      spendCap: apiSubscriptions.spendCap,
      period: {
        ...{ id: billingPeriods.id, kind: billingPeriods.kind },
        ...{ start: billingPeriods.startsAt, end: billingPeriods.endsAt },
        ...{ cycleStart: billingPeriods.cycleStartsAt, cycleEnd: billingPeriods.cycleEndsAt },
        ...{ flatFee: billingPeriods.flatFee, quotaLimit },
      },
      ...{ used: usageCounters.units, projected: usageProjections.units },
      ...{ quotaToldAt, spendCapToldAt },
    })
    .from(usageProjections)
    .innerJoin(billingPeriods, eq(billingPeriods.id, usageProjections.billingPeriodId))
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, billingPeriods.subscriptionId))
    .innerJoin(
      usageCounters,
      and(
        eq(usageCounters.subscriptionId, billingPeriods.subscriptionId),
        eq(usageCounters.billingPeriodId, billingPeriods.id),
      ),
    )
    .where(
      and(
        after ? gt(billingPeriods.id, after) : undefined,
        lte(billingPeriods.startsAt, now),
        gt(billingPeriods.endsAt, now),
        notInArray(apiSubscriptions.status, ['cancelled', 'expired']),
        or(
          and(isNull(quotaToldAt), lte(quotaLimit, usageProjections.units)),
          and(isNull(spendCapToldAt), sql`${apiSubscriptions.spendCap} is not null`),
        ),
      ),
    )
    .orderBy(asc(billingPeriods.id))
    .limit(limit)
}

/** Takes the right to tell of a limit of these periods. @returns those of which nobody else has */
export async function claimTelling(
  tx: Db,
  limit: Limit,
  periodIds: Id<'per'>[],
  at: Date,
): Promise<Set<Id<'per'>>> {
  if (periodIds.length === 0) return new Set()
  const rows = await tx
    .update(usageProjections)
    .set(limit === 'quota' ? { quotaToldAt: at } : { spendCapToldAt: at })
    .where(and(inArray(usageProjections.billingPeriodId, periodIds), isNull(TOLD[limit])))
    .returning({ id: usageProjections.billingPeriodId })
  return new Set(rows.map(({ id }) => id))
}
