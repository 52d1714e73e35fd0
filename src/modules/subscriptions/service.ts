import type { Db } from '#db/client'
import { violates } from '#db/errors'
import { recordAudit } from '#infra/audit'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { type Id, newId, parseId } from '#lib/id'
import { type Page, type PageRequest, toPage } from '#lib/page'
import { periodAt } from '#lib/period'
import type { MarketplaceService } from '#modules/catalog'
import type { Coordinator } from '#modules/gateway'
import type { Plan, PricingService } from '#modules/pricing'
import { AlreadySubscribed, ApiWithdrawn, SubscriptionUnknown } from './errors'
import { subscriptionCreated } from './events'
import type { Subscription } from './repository'
import * as subscriptions from './repository'
import type { SubscriptionInput } from './schemas'

const SUBSCRIBED = 'subscription.created'

/** A key that was just made: `key` is the only time that anyone sees it whole. */
export interface IssuedKey {
  id: Id<'key'>
  key: string
}

/** What a subscription needs of its keys; keys are built on subscriptions, not the reverse. */
export interface SubscriptionKeys {
  /** Makes the first key, pending until the gateway has it. */
  issueFirst(db: Db, subscription: { id: Id<'sub'>; apiId: Id<'api'> }): Promise<IssuedKey>
  activateAll(db: Db, subscriptionId: Id<'sub'>, at: Date): Promise<void>
  deleteAll(db: Db, subscriptionId: Id<'sub'>): Promise<void>
}

export class SubscriptionService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly coordinator: Coordinator,
    private readonly marketplace: MarketplaceService,
    private readonly pricing: PricingService,
    private readonly keys: SubscriptionKeys,
  ) {
    const idOf = (subjectId: string) => invariant(parseId('sub', subjectId), subjectId)
    coordinator.register(SUBSCRIBED, {
      commit: async (tx, subjectId, at) => {
        const subscriptionId = idOf(subjectId)
        const payload = { subscriptionId, at: at.toISOString() }
        await publish(tx, subscriptionCreated, payload, { orderingKey: subscriptionId })
        await keys.activateAll(tx, subscriptionId, at)
      },
      rollBack: async (tx, subjectId) => {
        await keys.deleteAll(tx, idOf(subjectId))
        await subscriptions.deleteSubscription(tx, idOf(subjectId))
      },
    })
  }

  /** Subscribes, opens the first billing period and makes the first key: all of it or nothing. */
  async subscribe(actor: Actor, { api: slug, planId }: SubscriptionInput) {
    const api = await this.marketplace.published(slug)
    const plan = await this.pricing.activePlan(api.id, planId)
    const id = newId('sub', this.clock)
    try {
      const apiKey = await this.coordinator.run({
        kind: SUBSCRIBED,
        subjectId: id,
        apiId: api.id,
        prepare: (tx) => this.open(tx, actor, { id, apiId: api.id, slug, plan }),
      })
      return { subscription: await this.get(actor, id), apiKey }
    } catch (error) {
      if (violates(error, 'api_subscriptions_live')) throw new AlreadySubscribed(slug)
      throw error
    }
  }

  private async open(
    tx: Db,
    actor: Actor,
    { id, apiId, slug, plan }: { id: Id<'sub'>; apiId: Id<'api'>; slug: string; plan: Plan },
  ): Promise<IssuedKey> {
    const now = this.clock.now()
    if (!(await subscriptions.lockPublished(tx, apiId))) throw new ApiWithdrawn(slug)
    await subscriptions.insertSubscription(tx, {
      ...{ id, apiId, userId: actor.userId, pricingModelId: plan.id, status: 'active' },
      ...{ anchorAt: now, createdAt: now, updatedAt: now },
    })
    await this.openPeriod(tx, { id, anchorAt: now, plan, ordinal: 0 })
    await subscriptions.insertHistory(tx, {
      ...{ id: newId('hst', this.clock), subscriptionId: id, pricingModelId: plan.id },
      ...{ reason: 'subscribed', effectiveAt: now, createdAt: now },
    })
    await recordAudit(tx, {
      ...{ actorId: actor.userId, action: SUBSCRIBED, subjectId: id, at: now },
      details: { apiId, planId: plan.id },
    })
    return this.keys.issueFirst(tx, { id, apiId })
  }

  private openPeriod(
    tx: Db,
    of: { id: Id<'sub'>; anchorAt: Date; plan: subscriptions.PeriodTerms; ordinal: number },
  ): Promise<boolean> {
    const { start, end } = periodAt(of.anchorAt, of.plan.billingCycle, of.ordinal)
    return subscriptions.openPeriod(tx, {
      ...{ id: newId('per', this.clock), subscriptionId: of.id, pricingModelId: of.plan.id },
      ...{ ordinal: of.ordinal, cycleIndex: of.ordinal, startsAt: start, endsAt: end },
      ...{ cycleStartsAt: start, cycleEndsAt: end, createdAt: this.clock.now() },
      ...{ flatFee: of.plan.flatFee, quotaLimit: of.plan.quotaLimit },
    })
  }

  /**
   * Opens the next period of every subscription whose period has ended, exactly where that one
   * ended; after a downtime as many as are due. Safe to run again and by several at once.
   */
  async renewDue(now: Date): Promise<{ opened: number }> {
    let opened = 0
    for (;;) {
      const due = await subscriptions.dueRenewals(this.db, now, 500)
      if (due.length === 0) return { opened }
      for (const { id, anchorAt, plan, ordinal } of due) {
        await this.db.transaction(async (tx) => {
          if (await this.openPeriod(tx, { id, anchorAt, plan, ordinal: ordinal + 1 })) opened++
          await subscriptions.closePeriod(tx, id, ordinal)
          await subscriptions.touch(tx, id, now)
        })
      }
    }
  }

  async list(actor: Actor, page: PageRequest) {
    const { items, nextCursor } = await this.pageOf(actor, page)
    return { items: items.map(view), nextCursor }
  }

  async pageOf(actor: Actor, page: PageRequest): Promise<Page<Subscription>> {
    return toPage(await subscriptions.listSubscriptions(this.db, actor.userId, page), page.limit)
  }

  async get(actor: Actor, id: string) {
    return view(await this.own(actor, id))
  }

  /** The subscription by its id, if it is the actor's. */
  async own(actor: Actor, id: string): Promise<Subscription> {
    const known = parseId('sub', id)
    const found = known && (await subscriptions.findSubscription(this.db, known))
    if (found?.userId !== actor.userId) throw new SubscriptionUnknown(id)
    return found
  }
}

function view({ id, api, plan, status, period, createdAt }: Subscription) {
  return {
    ...{ id, api, plan, status },
    currentPeriod: { start: period.start.toISOString(), end: period.end.toISOString() },
    createdAt: createdAt.toISOString(),
  }
}
