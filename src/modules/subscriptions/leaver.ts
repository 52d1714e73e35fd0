import type { Db } from '#db/client'
import type { Clock } from '#lib/clock'
import { newId } from '#lib/id'
import { advanceLines, type PricingService, totalOf } from '#modules/pricing'
import { PeriodEnding } from './errors'
import type { Held } from './held'
import { insertAdjustments, type NewAdjustment, unitsOf } from './life.repository'
import { cutOf } from './periods'
import type { Adjustment, Leaver } from './plan-change'

/** All that the running period's end before its time depends on. */
export async function leaverOf(
  tx: Db,
  pricing: PricingService,
  { subscription: { id, anchorAt }, plan, period }: Held,
): Promise<Leaver> {
  const discounts = await pricing.discountsFor(tx, id, period)
  const inAdvance = totalOf(advanceLines(plan, period, discounts))
  const units = await unitsOf(tx, period)
  return { plan, period, anchorAt, paid: inAdvance + period.prepaidFee, units }
}

/** When a change of now takes effect. @throws PeriodEnding */
export function cutNow(clock: Clock, { period, subscription }: Held): Date {
  const at = cutOf(period, clock.now())
  if (at >= period.endsAt) throw new PeriodEnding(subscription.id)
  return at
}

/** Adjustments to what was paid for the period that was just cut; they wait for an invoice. */
export async function adjust(
  tx: Db,
  clock: Clock,
  { subscription, plan, period }: Held,
  adjustments: readonly Adjustment[],
): Promise<NewAdjustment[]> {
  const rows = adjustments.map((adjustment) => ({
    ...{ id: newId('adj', clock), subscriptionId: subscription.id, billingPeriodId: period.id },
    ...{ ...adjustment, currency: plan.currency, createdAt: clock.now() },
  }))
  await insertAdjustments(tx, rows)
  return rows
}
