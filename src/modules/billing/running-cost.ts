import type { Actor } from '#lib/access'
import { costView } from '#modules/pricing'
import { type QuotaService, quotaView } from '#modules/quota'

/** What a subscription costs so far in its running period. */
export class RunningCostService {
  constructor(private readonly quota: QuotaService) {}

  async ofSubscription(actor: Actor, subscriptionId: string) {
    const standing = await this.quota.standing(actor, subscriptionId)
    const { subscription, plan, counted } = standing
    return {
      subscriptionId: subscription.id,
      ...counted,
      quota: quotaView(standing),
      cost: costView(plan, counted.units),
    }
  }
}
