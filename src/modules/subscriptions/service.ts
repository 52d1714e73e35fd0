import type { Db } from '#db/client'
import { violates } from '#db/errors'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { newId, parseId } from '#lib/id'
import { type Page, type PageRequest, toPage } from '#lib/page'
import type { MarketplaceService } from '#modules/catalog'
import type { Coordinator } from '#modules/gateway'
import type { PricingService } from '#modules/pricing'
import type { IssuedKey, SubscriptionKeys } from './ending'
import { AlreadySubscribed, SubscriptionOver, SubscriptionUnknown } from './errors'
import { subscriptionCreated } from './events'
import { type Opening, openSubscription } from './opening'
import type { SubscriptionPayments } from './payments'
import type { Subscription } from './repository'
import * as subscriptions from './repository'
import type { SubscriptionInput } from './schemas'
import { historyView, view } from './views'

const SUBSCRIBED = 'subscription.created'

export class SubscriptionService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly coordinator: Coordinator,
    private readonly marketplace: MarketplaceService,
    private readonly pricing: PricingService,
    private readonly keys: SubscriptionKeys,
    private readonly payments: SubscriptionPayments,
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
        await pricing.release(tx, idOf(subjectId))
        await subscriptions.deleteSubscription(tx, idOf(subjectId))
      },
    })
  }

  /** Subscribes, opens the first billing period and makes the first key: all of it or nothing. */
  async subscribe(actor: Actor, { api: slug, planId, promotion }: SubscriptionInput) {
    const earlier = await this.coordinator.resume<IssuedKey>()
    if (earlier?.state === 'committed')
      return {
        subscription: await this.get(actor, earlier.subjectId),
        apiKey: earlier.prepared,
      }
    const api = await this.marketplace.published(slug)
    const plan = await this.pricing.activePlan(api.id, planId)
    const id = newId('sub', this.clock)
    try {
      const apiKey = await this.coordinator.run({
        kind: SUBSCRIBED,
        subjectId: id,
        apiId: api.id,
        prepare: (tx) => this.open(tx, actor, { id, apiId: api.id, slug, plan, promotion }),
      })
      return { subscription: await this.get(actor, id), apiKey }
    } catch (error) {
      if (violates(error, 'api_subscriptions_live')) throw new AlreadySubscribed(slug)
      throw error
    }
  }

  private async open(tx: Db, actor: Actor, opening: Opening): Promise<IssuedKey> {
    const { clock, pricing, payments } = this
    await openSubscription(tx, { clock, pricing, payments }, actor, opening)
    return this.keys.issueFirst(tx, opening)
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

  /** What happened to it, newest first. */
  async history(actor: Actor, id: string, page: PageRequest) {
    const { id: known } = await this.own(actor, id)
    const rows = await subscriptions.listHistory(this.db, known, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map(historyView), nextCursor }
  }

  /** The subscription by its id, if it is the actor's. */
  async own(actor: Actor, id: string): Promise<Subscription> {
    const known = parseId('sub', id)
    const found = known && (await subscriptions.findSubscription(this.db, known))
    if (found?.userId !== actor.userId) throw new SubscriptionUnknown(id)
    return found
  }

  /** Holds the subscription until the transaction ends. @throws SubscriptionOver when it has ended */
  async holdLive(tx: Db, { id }: Pick<Subscription, 'id'>): Promise<void> {
    if (!(await subscriptions.lockLive(tx, id))) throw new SubscriptionOver(id)
  }
}
