import type { ADJUSTMENT_CODES } from '#db/schema/subscriptions'
import { prorate } from '#lib/money'
import type { BillingCycle } from '#lib/period'
import type { Plan } from '#modules/pricing'
import type { BillingPeriod } from './life.repository'
import { type PeriodShape, shareOf, wholeCycle } from './periods'
import { type CreditMode, type Leaving, leave, unusedOf } from './proration'

export type ProrationMode = Plan['prorationMode']

/** A credit or a charge that waits for the next invoice. */
export interface Adjustment {
  code: (typeof ADJUSTMENT_CODES)[number]
  description: string
  /** Minor units, below 0 for a credit. */
  amount: bigint
  explain: string
}

/** What a plan change at once does; computed the same way for its preview. */
export interface PlanChange {
  at: Date
  mode: ProrationMode
  closing: Leaving['closing']
  opening: PeriodShape
  /** From where the cycles of the new plan are counted. */
  anchorAt: Date
  adjustments: Adjustment[]
}

/** Cycles of 7 years of 365 days, so that a week is exact. */
const IN_SEVEN_YEARS: Record<BillingCycle, bigint> = {
  ...{ daily: 2_555n, weekly: 365n, monthly: 84n, quarterly: 28n, yearly: 7n },
}

/** Dearer by the flat fee of a year is an upgrade, and so is a plan of the same price. */
export function kindOf(from: Plan, to: Plan): 'upgrade' | 'downgrade' {
  const yearly = ({ flatFee, billingCycle }: Plan) => flatFee * IN_SEVEN_YEARS[billingCycle]
  return yearly(to) >= yearly(from) ? 'upgrade' : 'downgrade'
}

export interface Leaver {
  plan: Plan
  period: BillingPeriod
  anchorAt: Date
  /** What was paid in advance for the period, discounts taken off. */
  paid: bigint
  /** What the ledger has booked in it. */
  units: bigint
}

/** Changes to `next` in the middle of a period. Pure. */
export function planChange(leaver: Leaver, next: Plan, mode: ProrationMode, at: Date): PlanChange {
  const { plan, period, paid, units } = leaver
  const unused = unusedOf(creditModeOf(mode), period, at, units)
  const { closing, credit, carried, explain } = leave(plan, period, at, { unused, paid })
  const credits: Adjustment[] = [
    {
      ...{ code: 'plan_change_credit', description: `Unused part of ${plan.name}` },
      ...{ amount: -credit, explain: `−${explain}` },
    },
  ]
  const rest =
    mode === 'full_reset' || period.kind === 'trial' || plan.billingCycle !== next.billingCycle
      ? { opening: wholeCycle(next, at, 0), anchorAt: at, charges: [] }
      : restOfCycle(leaver, next, at, mode === 'none' ? { carried } : null)
  return {
    ...{ at, mode, closing, opening: rest.opening, anchorAt: rest.anchorAt },
    adjustments: [...credits, ...rest.charges].filter(({ amount }) => amount !== 0n),
  }
}

const creditModeOf = (mode: ProrationMode): CreditMode =>
  mode === 'full_reset' || mode === 'next_period' ? 'none' : mode

/** The new plan for what is left of the cycle: its part of fee and quota, or none of the fee. */
function restOfCycle(
  { period, anchorAt }: Leaver,
  next: Plan,
  at: Date,
  free: { carried: bigint } | null,
) {
  const { cycleIndex, cycleStartsAt, cycleEndsAt } = period
  const share = shareOf(at, cycleEndsAt, cycleStartsAt, cycleEndsAt)
  const fee = free === null ? prorate(next.flatFee, share) : 0n
  const isLate = next.flatFeeTiming === 'arrears'
  const { quotaLimit } = next
  const opening: PeriodShape = {
    ...{ pricingModelId: next.id, cycleIndex, cycleStartsAt, cycleEndsAt },
    ...{ startsAt: at, endsAt: cycleEndsAt, flatFee: isLate ? fee : 0n },
    prepaidFee: free?.carried ?? (isLate ? 0n : fee),
    quotaLimit: quotaLimit === null ? null : Number(prorate(BigInt(quotaLimit), share)),
  }
  const charge: Adjustment = {
    ...{ code: 'plan_change_charge', description: `Rest of the cycle on ${next.name}` },
    ...{ amount: isLate ? 0n : fee, explain: `${next.flatFee} × ${share.part}/${share.whole} ms` },
  }
  return { opening, anchorAt, charges: [charge] }
}
