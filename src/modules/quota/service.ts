import type { Db } from '#db/client'
import type { Actor } from '#lib/access'
import { invariant } from '#lib/errors'
import type { PageRequest } from '#lib/page'
import type { KeyService } from '#modules/keys'
import type { Plan, PricingService } from '#modules/pricing'
import type { Subscription, SubscriptionService } from '#modules/subscriptions'
import { type Counted, countsOf } from './repository'

const NOTHING: Counted = { calls: 0, errors: 0, units: 0 }

/** A subscription's running period with its plan and what the ledger has counted. */
export interface Standing {
  subscription: Subscription
  plan: Plan
  counted: Counted
}

export class QuotaService {
  constructor(
    private readonly db: Db,
    private readonly subscriptions: SubscriptionService,
    private readonly keys: KeyService,
    private readonly pricing: PricingService,
  ) {}

  async list(actor: Actor, page: PageRequest) {
    const { items, nextCursor } = await this.subscriptions.pageOf(actor, page)
    return { items: (await this.standings(items)).map(quotaView), nextCursor }
  }

  /** The quota that a key draws on: that of its subscription. */
  async ofKey(actor: Actor, keyId: string) {
    const { subscriptionId } = await this.keys.own(actor, keyId)
    return quotaView(await this.standing(actor, subscriptionId))
  }

  async standing(actor: Actor, subscriptionId: string): Promise<Standing> {
    const subscription = await this.subscriptions.own(actor, subscriptionId)
    const [standing] = await this.standings([subscription])
    return invariant(standing, subscriptionId)
  }

  private async standings(rows: Subscription[]): Promise<Standing[]> {
    const [counts, plans] = await Promise.all([
      countsOf(
        this.db,
        rows.map(({ period }) => period.id),
      ),
      this.pricing.plansById(rows.map(({ plan }) => plan.id)),
    ])
    return rows.map((subscription) => ({
      subscription,
      plan: invariant(plans.get(subscription.plan.id), subscription.plan.id),
      counted: counts.get(subscription.period.id) ?? NOTHING,
    }))
  }
}

export function quotaView({ subscription, plan, counted }: Standing) {
  const limit = plan.quotaLimit
  return {
    subscriptionId: subscription.id,
    period: {
      start: subscription.period.start.toISOString(),
      end: subscription.period.end.toISOString(),
    },
    limit,
    hard: plan.quotaHard,
    used: counted.units,
    remaining: limit === null ? null : Math.max(0, limit - counted.units),
    rateLimits: plan.rateLimits,
  }
}
