import type { Db } from '#db/client'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import type { PageRequest } from '#lib/page'
import type { KeyService } from '#modules/keys'
import type { Plan, PricingService, RatedPeriod } from '#modules/pricing'
import { ratedPeriod, type Subscription, type SubscriptionService } from '#modules/subscriptions'
import { estimate } from './estimate'
import { expectedAt } from './expectation'
import { type Counted, countsOf } from './repository'
import { highestReached } from './thresholds'

const NOTHING: Counted = { calls: 0, errors: 0, units: 0 }

/** A subscription's running period with its plan and what the ledger has counted. */
export interface Standing {
  subscription: Subscription
  plan: Plan
  /** The running period, maybe a part of a cycle, as it is rated. */
  period: RatedPeriod
  counted: Counted
}

export class QuotaService {
  constructor(
    private readonly db: Db,
    private readonly subscriptions: SubscriptionService,
    private readonly keys: KeyService,
    private readonly pricing: PricingService,
    private readonly clock: Clock,
  ) {}

  async list(actor: Actor, page: PageRequest) {
    const { items, nextCursor } = await this.subscriptions.pageOf(actor, page)
    return { items: (await this.standings(items)).map(quotaView), nextCursor }
  }

  /** The quota that a key draws on: that of its subscription. */
  async ofKey(actor: Actor, keyId: string) {
    return quotaView(await this.standingOfKey(actor, keyId))
  }

  /** A key has one subscription, and that one API. */
  async usageByApi(actor: Actor, keyId: string) {
    const { subscription, counted } = await this.standingOfKey(actor, keyId)
    return { keyId, items: [{ api: subscription.api, ...counted }] }
  }

  /** When the quota will be used up if the period goes on as so far. */
  async exhaustionEstimate(actor: Actor, keyId: string) {
    const { subscription, period, counted } = await this.standingOfKey(actor, keyId)
    const { quotaLimit: limit } = period
    const now = this.clock.now()
    const { exhaustedAt, ...rest } = estimate(counted.units, limit, subscription.period, now)
    return {
      ...{ keyId, limit, used: counted.units, ...rest },
      exhaustedAt: exhaustedAt?.toISOString() ?? null,
    }
  }

  /** Whether so many units would pass; nothing is reserved. */
  async check(actor: Actor, keyId: string, units: number) {
    const { remaining, hard } = await this.ofKey(actor, keyId)
    const beyond = remaining === null ? 0 : Math.max(0, units - remaining)
    return { allowed: beyond === 0 || !hard, remaining, overage: hard ? 0 : beyond }
  }

  /** The subscriptions on the page whose running period has reached a threshold, or will reach its quota. */
  async alerts(actor: Actor, page: PageRequest) {
    const { items, nextCursor } = await this.subscriptions.pageOf(actor, page)
    const now = this.clock.now()
    const alerts = (await this.standings(items)).flatMap((standing) => {
      const { subscriptionId, limit, used, hard, period } = quotaView(standing)
      if (limit === null) return []
      const threshold = highestReached(used, limit)
      const expected = expectedAt(used, limit, standing.subscription.period, now)
      if (threshold === null && expected === null) return []
      const exhaustedAt = expected?.toISOString() ?? null
      return { subscriptionId, threshold, limit, used, hard, exhaustedAt, periodEnd: period.end }
    })
    return { items: alerts, nextCursor }
  }

  private async standingOfKey(actor: Actor, keyId: string): Promise<Standing> {
    const { subscriptionId } = await this.keys.own(actor, keyId)
    return this.standing(actor, subscriptionId)
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
    return rows.map((subscription) => {
      const plan = invariant(plans.get(subscription.plan.id), subscription.plan.id)
      const counted = counts.get(subscription.period.id) ?? NOTHING
      return { subscription, plan, period: ratedPeriod(subscription), counted }
    })
  }
}

export function quotaView({ subscription, plan, period, counted }: Standing) {
  const limit = period.quotaLimit
  return {
    subscriptionId: subscription.id,
    period: {
      start: subscription.period.start.toISOString(),
      end: subscription.period.end.toISOString(),
    },
    limit,
    // A trial costs nothing, so nothing passes beyond it.
    hard: plan.quotaHard || period.kind === 'trial',
    used: counted.units,
    remaining: limit === null ? null : Math.max(0, limit - counted.units),
    rateLimits: plan.rateLimits,
  }
}
