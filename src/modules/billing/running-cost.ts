import type { Db } from '#db/client'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { costView, type PricingService, unitsWithinCap } from '#modules/pricing'
import { expectedAt, type QuotaService, quotaView } from '#modules/quota'
import { projectionOf } from '#modules/usage'

/** What a subscription costs so far in its running period. */
export class RunningCostService {
  constructor(
    private readonly db: Db,
    private readonly quota: QuotaService,
    private readonly pricing: PricingService,
    private readonly clock: Clock,
  ) {}

  async ofSubscription(actor: Actor, subscriptionId: string) {
    const standing = await this.quota.standing(actor, subscriptionId)
    const { subscription, plan, period, counted } = standing
    const projection = await projectionOf(this.db, subscription.period.id)
    const { spendCap } = subscription
    const discounts = await this.pricing.discountsFor(this.db, subscription.id, subscription.period)
    const reachedAt = (limit: number | null) =>
      expectedAt(counted.units, limit, subscription.period, this.clock.now())?.toISOString() ?? null
    return {
      subscriptionId: subscription.id,
      ...counted,
      quota: quotaView(standing),
      cost: costView(plan, counted.units, period, discounts),
      projection: projection && {
        asOf: projection.asOf.toISOString(),
        units: projection.units,
        cost: costView(plan, projection.units, period, discounts),
        quotaExhaustedAt: reachedAt(period.quotaLimit),
        spendCapReachedAt: reachedAt(
          spendCap === null ? null : unitsWithinCap(plan, spendCap, period),
        ),
      },
    }
  }
}
