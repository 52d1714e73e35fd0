import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { costView, unitsWithinCap } from '#modules/pricing'
import type { QuotaService } from '#modules/quota'
import { writeSpendCap } from '#modules/subscriptions'

/** The most that a period of a subscription may cost; the edge refuses the call that would pass it. */
export class SpendCapService {
  constructor(
    private readonly db: Db,
    private readonly quota: QuotaService,
    private readonly clock: Clock,
  ) {}

  async get(actor: Actor, subscriptionId: string) {
    const standing = await this.quota.standing(actor, subscriptionId)
    const { subscription, plan, period, counted } = standing
    const amount = subscription.spendCap
    return {
      subscriptionId: subscription.id,
      ...{ amount, currency: plan.currency },
      spend: costView(plan, counted.units, period).total,
      unitsLeft:
        amount === null ? null : Math.max(0, unitsWithinCap(plan, amount, period) - counted.units),
    }
  }

  /** @param amount minor units of the plan's currency; null takes the cap away */
  async set(actor: Actor, subscriptionId: string, amount: number | null) {
    const { subscription } = await this.quota.standing(actor, subscriptionId)
    const { id } = subscription
    const at = this.clock.now()
    await this.db.transaction(async (tx) => {
      await writeSpendCap(tx, id, amount, at)
      await recordAudit(tx, {
        ...{ actorId: actor.userId, action: 'subscription.spend-cap-set', subjectId: id, at },
        details: { from: subscription.spendCap, to: amount },
      })
    })
    return this.get(actor, subscriptionId)
  }
}
