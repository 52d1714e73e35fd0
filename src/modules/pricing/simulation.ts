import type { Db } from '#db/client'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { parseId } from '#lib/id'
import { prorate, type Share } from '#lib/money'
import type { RatedPeriod } from './engine/period'
import { PlanUnknown, SubscriptionNotYours } from './errors'
import { costView } from './rating'
import { findPublicPlan, type Plan } from './repository'
import type { PricingService } from './service'
import { type CountedPeriod, lastPeriods, ownsSubscription } from './simulation.repository'

/** What periods that are over would have cost under another plan. */
export class SimulationService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly pricing: PricingService,
  ) {}

  async simulate(
    actor: Actor,
    {
      subscriptionId,
      planId,
      periods = 1,
    }: { subscriptionId: string; planId: string; periods?: number },
  ) {
    const id = parseId('sub', subscriptionId)
    if (!id || !(await ownsSubscription(this.db, actor.userId, id)))
      throw new SubscriptionNotYours(subscriptionId)
    const known = parseId('plan', planId)
    const plan = known && (await findPublicPlan(this.db, known))
    if (!plan) throw new PlanUnknown(planId)
    const counted = await lastPeriods(this.db, actor.userId, id, this.clock.now(), periods)
    return { ...{ subscriptionId, planId }, periods: await this.compare(counted, plan) }
  }

  private async compare(counted: CountedPeriod[], plan: Plan) {
    const plans = await this.pricing.plansById([...new Set(counted.map(({ planId }) => planId))])
    const discounts = await this.pricing.discountsOfPeriods(
      this.db,
      counted.map(({ id }) => id),
    )
    return counted.map((period) => {
      const own = invariant(plans.get(period.planId), period.planId)
      const actual = costView(own, period.units, asItWas(period), discounts.get(period.id) ?? [])
      const simulated = costView(plan, period.units, asItWouldBe(period, plan))
      const isComparable = actual.currency === simulated.currency
      return {
        period: { start: period.startsAt.toISOString(), end: period.endsAt.toISOString() },
        ...{ units: period.units, actual, simulated },
        difference: isComparable ? simulated.total - actual.total : null,
      }
    })
  }
}

const shareOf = ({ startsAt, endsAt, cycleStartsAt, cycleEndsAt }: CountedPeriod): Share => ({
  part: BigInt(endsAt.getTime() - startsAt.getTime()),
  whole: BigInt(cycleEndsAt.getTime() - cycleStartsAt.getTime()),
})

function asItWas(period: CountedPeriod): RatedPeriod {
  const { flatFee, quotaLimit, kind } = period
  return { flatFee, quotaLimit, kind, share: shareOf(period) }
}

/** A part of a cycle has its share of the plan's fee and quota; a trial is one there as well. */
function asItWouldBe(period: CountedPeriod, { flatFee, quotaLimit }: Plan): RatedPeriod {
  const { kind } = period
  const share = shareOf(period)
  return {
    ...{ kind, share, flatFee: kind === 'trial' ? 0n : prorate(flatFee, share) },
    quotaLimit: quotaLimit === null ? null : Number(prorate(BigInt(quotaLimit), share)),
  }
}
