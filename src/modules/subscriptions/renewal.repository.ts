import { and, asc, eq, gt, inArray, isNull, lte, or, sql } from 'drizzle-orm'
import { union } from 'drizzle-orm/pg-core'
import type { Db } from '#db/client'
import { pricingModels } from '#db/schema/pricing'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { BillingCycle } from '#lib/period'

export interface DueRenewal {
  subscriptionId: Id<'sub'>
  periodId: Id<'per'>
  anchorAt: Date
  billingCycle: BillingCycle
  cycleIndex: number
}

const { cancelAt, scheduledPlanAt, status } = apiSubscriptions
const hasEnded = (now: Date) =>
  and(eq(billingPeriods.status, 'open'), lte(billingPeriods.endsAt, now))

/**
 * Locks subscriptions whose period has ended and is simply followed by the next. What somebody else
 * holds is left to them: they bring it up to date themselves.
 */
export function lockDueRenewals(db: Db, now: Date, limit: number): Promise<DueRenewal[]> {
  return db
    .select({
      subscriptionId: apiSubscriptions.id,
      periodId: billingPeriods.id,
      anchorAt: apiSubscriptions.anchorAt,
      billingCycle: pricingModels.billingCycle,
      cycleIndex: billingPeriods.cycleIndex,
    })
    .from(billingPeriods)
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, billingPeriods.subscriptionId))
    .innerJoin(pricingModels, eq(pricingModels.id, apiSubscriptions.pricingModelId))
    .where(
      and(
        hasEnded(now),
        inArray(status, ['active', 'past_due']),
        or(isNull(cancelAt), gt(cancelAt, billingPeriods.endsAt)),
        or(isNull(scheduledPlanAt), gt(scheduledPlanAt, billingPeriods.endsAt)),
      ),
    )
    .orderBy(asc(billingPeriods.endsAt))
    .limit(limit)
    .for('update', { of: [apiSubscriptions, billingPeriods], skipLocked: true })
}

/** A period to be opened after the one that has ended. */
export interface Renewal {
  subscriptionId: Id<'sub'>
  periodId: Id<'per'>
  nextId: Id<'per'>
  endsAt: Date
}

/** Closes periods and opens those after them, exactly where they ended, in one statement. */
export async function renew(db: Db, renewals: readonly Renewal[], now: Date): Promise<void> {
  const uuids = (key: 'subscriptionId' | 'periodId' | 'nextId') =>
    sql.param(renewals.map((renewal) => renewal[key].slice(4)))
  const ends = sql.param(renewals.map(({ endsAt }) => endsAt.toISOString()))
  const at = sql`${now.toISOString()}::timestamptz`
  await db.execute(sql`
    with due as (
      select * from unnest(${uuids('subscriptionId')}::uuid[], ${uuids('periodId')}::uuid[],
        ${uuids('nextId')}::uuid[], ${ends}::text[]::timestamptz[])
        as due (subscription_id, period_id, next_id, next_ends_at)
    ), closed as (
      update billing_periods period set status = 'closed'
      from due where period.id = due.period_id
      returning due.*, period.ordinal, period.cycle_index, period.ends_at
    ), touched as (
      -- The edge watches the row.
      update api_subscriptions subscription set updated_at = ${at}
      from due where subscription.id = due.subscription_id
      returning subscription.id, subscription.pricing_model_id
    )
    insert into billing_periods (id, subscription_id, pricing_model_id, ordinal, cycle_index,
      cycle_starts_at, cycle_ends_at, starts_at, ends_at, flat_fee, quota_limit, created_at)
    select next_id, subscription_id, plan.id, ordinal + 1, cycle_index + 1,
      ends_at, next_ends_at, ends_at, next_ends_at, plan.flat_fee, plan.quota_limit, ${at}
    from closed
    join touched on touched.id = closed.subscription_id
    join pricing_models plan on plan.id = touched.pricing_model_id`)
}

/**
 * Subscriptions whose cancellation is due, and those whose period has ended without a plain renewal,
 * from `after` on.
 */
export async function dueOtherwise(
  db: Db,
  now: Date,
  after: Id<'sub'> | null,
  limit: number,
): Promise<Id<'sub'>[]> {
  const alive = and(
    isNull(apiSubscriptions.endedAt),
    after === null ? undefined : gt(apiSubscriptions.id, after),
  )
  const cancelled = db
    .select({ id: apiSubscriptions.id })
    .from(apiSubscriptions)
    .where(and(lte(cancelAt, now), alive))
  const lapsed = db
    .select({ id: apiSubscriptions.id })
    .from(billingPeriods)
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, billingPeriods.subscriptionId))
    .where(and(hasEnded(now), alive))
  const rows = await union(cancelled, lapsed)
    .orderBy((fields) => asc(fields.id))
    .limit(limit)
  return rows.map(({ id }) => id)
}

/** Subscriptions whose other plan has waited long enough, from `after` on. */
export async function dueForAnotherPlan(
  db: Db,
  now: Date,
  after: Id<'sub'> | null,
  limit: number,
): Promise<Id<'sub'>[]> {
  const rows = await db
    .select({ id: apiSubscriptions.id })
    .from(apiSubscriptions)
    .where(
      and(
        lte(scheduledPlanAt, now),
        isNull(apiSubscriptions.endedAt),
        after === null ? undefined : gt(apiSubscriptions.id, after),
      ),
    )
    .orderBy(asc(apiSubscriptions.id))
    .limit(limit)
  return rows.map(({ id }) => id)
}
