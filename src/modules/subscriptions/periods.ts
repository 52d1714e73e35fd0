import type { Share } from '#lib/money'
import { type Period, periodAt } from '#lib/period'
import type { Plan, RatedPeriod } from '#modules/pricing'
import type { BillingPeriod, NewPeriod } from './life.repository'
import type { Subscription } from './repository'

/** What a period takes from its plan. */
export type PeriodTerms = Pick<Plan, 'id' | 'billingCycle' | 'flatFee' | 'quotaLimit'>

/** A period apart from whose it is. */
export type PeriodShape = Omit<NewPeriod, 'id' | 'subscriptionId' | 'ordinal' | 'createdAt'>

const cycle = ({ start, end }: Period, cycleIndex: number) => ({
  ...{ cycleIndex, cycleStartsAt: start, cycleEndsAt: end, startsAt: start, endsAt: end },
})

/** The n-th whole cycle after the anchor, on the plan's terms. */
export function wholeCycle(plan: PeriodTerms, anchorAt: Date, n: number): PeriodShape {
  const { id: pricingModelId, billingCycle, flatFee, quotaLimit } = plan
  return {
    ...{ pricingModelId, flatFee, quotaLimit },
    ...cycle(periodAt(anchorAt, billingCycle, n), n),
  }
}

const DAY_MS = 86_400_000

/** Costs nothing, and includes what the trial or else a cycle of the plan includes. */
export function trialPeriod(
  { id: pricingModelId, quotaLimit, trialUnits }: Plan,
  start: Date,
  days: number,
): PeriodShape {
  const end = new Date(start.getTime() + days * DAY_MS)
  return {
    ...{ pricingModelId, kind: 'trial', flatFee: 0n, quotaLimit: trialUnits ?? quotaLimit },
    ...cycle({ start, end }, 0),
  }
}

/** When a change of now takes effect: a period lasts a millisecond at least. */
export function cutOf({ startsAt }: BillingPeriod, now: Date): Date {
  return new Date(Math.max(now.getTime(), startsAt.getTime() + 1))
}

/** Milliseconds from `start` to `end` as a share of those from `from` to `until`. */
export const shareOf = (start: Date, end: Date, from: Date, until: Date): Share => ({
  part: BigInt(end.getTime() - start.getTime()),
  whole: BigInt(until.getTime() - from.getTime()),
})

/** The newest period of a subscription as it is rated. */
export function ratedPeriod({ period }: Pick<Subscription, 'period'>): RatedPeriod {
  const { kind, flatFee, quotaLimit, start, end, cycleStart, cycleEnd } = period
  return { kind, flatFee, quotaLimit, share: shareOf(start, end, cycleStart, cycleEnd) }
}
