import { and, desc, eq, gt, gte, lt, lte, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { apis } from '#db/schema/catalog'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import { apiUsageAnalytics, usageCounters, usageProjections } from '#db/schema/usage'
import type { Id } from '#lib/id'

interface Usage {
  /** All calls that authorize let through, billable or not. */
  calls: number
  /** Those answered with a status of 400 or more. */
  errors: number
  /** Billable units. */
  units: number
}

export interface CurrentUsage extends Usage {
  subscriptionId: Id<'sub'>
  api: { id: Id<'api'>; slug: string; name: string }
  period: { id: Id<'per'>; startsAt: Date; endsAt: Date }
}

/** The usage of the period that contains `now`, newest subscription first. */
export function selectCurrentUsage(db: Db, userId: Id<'usr'>, now: Date): Promise<CurrentUsage[]> {
  const counted = (column: 'calls' | 'errors' | 'units') =>
    sql<number>`coalesce(${usageCounters[column]}, 0)`.mapWith(Number)
  return db
    .select({
      subscriptionId: apiSubscriptions.id,
      api: { id: apis.id, slug: apis.slug, name: apis.name },
      period: {
        id: billingPeriods.id,
        startsAt: billingPeriods.startsAt,
        endsAt: billingPeriods.endsAt,
      },
      calls: counted('calls'),
      errors: counted('errors'),
      units: counted('units'),
    })
    .from(apiSubscriptions)
    .innerJoin(apis, eq(apis.id, apiSubscriptions.apiId))
    .innerJoin(
      billingPeriods,
      and(
        eq(billingPeriods.subscriptionId, apiSubscriptions.id),
        lte(billingPeriods.startsAt, now),
        gt(billingPeriods.endsAt, now),
      ),
    )
    .leftJoin(
      usageCounters,
      and(
        eq(usageCounters.subscriptionId, apiSubscriptions.id),
        eq(usageCounters.billingPeriodId, billingPeriods.id),
      ),
    )
    .where(eq(apiSubscriptions.userId, userId))
    .orderBy(desc(apiSubscriptions.createdAt), desc(apiSubscriptions.id))
}

export type Interval = 'hour' | 'day'

export interface Bucket extends Usage {
  start: Date
  durationMs: number
  requestBytes: number
  responseBytes: number
}

/** Sums of the hourly rollup over `[from, to)`, by UTC hour or day; empty ones are left out. */
export function selectBuckets(
  db: Db,
  subscriptionId: Id<'sub'>,
  range: { from: Date; to: Date; interval: Interval },
): Promise<Bucket[]> {
  const { hour } = apiUsageAnalytics
  const start = sql<Date>`date_trunc(${sql.raw(`'${range.interval}'`)}, ${hour}, 'UTC')`
  const total = (
    name: 'calls' | 'errors' | 'units' | 'durationMs' | 'requestBytes' | 'responseBytes',
  ) => sql<number>`sum(${apiUsageAnalytics[name]})`.mapWith(Number)
  return db
    .select({
      start: start.mapWith(hour),
      calls: total('calls'),
      errors: total('errors'),
      units: total('units'),
      durationMs: total('durationMs'),
      requestBytes: total('requestBytes'),
      responseBytes: total('responseBytes'),
    })
    .from(apiUsageAnalytics)
    .where(
      and(
        eq(apiUsageAnalytics.subscriptionId, subscriptionId),
        gte(hour, range.from),
        lt(hour, range.to),
      ),
    )
    .groupBy(start)
    .orderBy(start)
}

/** What the period will have used at its end, as of the last run of the job; null before it ran. */
export async function projectionOf(
  db: Db,
  periodId: Id<'per'>,
): Promise<{ units: number; asOf: Date } | null> {
  const [row] = await db
    .select({ units: usageProjections.units, asOf: usageProjections.asOf })
    .from(usageProjections)
    .where(eq(usageProjections.billingPeriodId, periodId))
  return row ?? null
}
