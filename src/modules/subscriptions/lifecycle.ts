import type { Db } from '#db/client'
import type { SubscriptionStatus } from '#db/schema/subscriptions'
import { publish } from '#infra/queue'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import type { Coordinator } from '#modules/gateway'
import { carryEnd, end, type SubscriptionKeys } from './ending'
import { subscriptionRateLimited, subscriptionReinstated, subscriptionSuspended } from './events'
import { change, type Held, openNext } from './held'
import { apiOf } from './life.repository'
import { wholeCycle } from './periods'
import { type Action, transition } from './state-machine'
import type { Timekeeper } from './timekeeper'

export interface LifecycleParts {
  db: Db
  clock: Clock
  coordinator: Coordinator
  keys: SubscriptionKeys
  timekeeper: Timekeeper
}

/**
 * What debts do to subscriptions. Each method is a transaction of its own, changes nothing where it does
 * not apply (any more), and may be called again. @returns whether something changed
 */
export class Lifecycle {
  constructor(private readonly parts: LifecycleParts) {}

  /** An invoice is overdue; calls go on passing. */
  markPastDue(subscriptionId: Id<'sub'>, at: Date): Promise<boolean> {
    return this.apply('fall_behind', subscriptionId, at, (tx, held, status) => {
      const deed = { reason: 'past_due', actorId: null, at } as const
      return change(tx, this.parts.clock, held, { status }, deed)
    })
  }

  /** @param percent of the plan's rate limits that is left, 1 to 100 */
  softenRateLimit(subscriptionId: Id<'sub'>, percent: number, at: Date): Promise<boolean> {
    return this.parts.db.transaction(async (tx) => {
      const held = await this.parts.timekeeper.hold(tx, subscriptionId, at)
      const { status, rateLimitPercent } = held?.subscription ?? {}
      if (!held || status !== 'past_due' || rateLimitPercent === percent) return false
      const payload = { subscriptionId, percent, at: at.toISOString() }
      await publish(tx, subscriptionRateLimited, payload, { orderingKey: subscriptionId })
      const deed = { reason: 'rate_limited', actorId: null, at, details: { percent } } as const
      await change(tx, this.parts.clock, held, { rateLimitPercent: percent }, deed)
      return true
    })
  }

  /** Keys are refused within a second; the running period goes on to its end, and none follows it. */
  suspendForDebt(subscriptionId: Id<'sub'>, at: Date): Promise<boolean> {
    return this.apply('suspend', subscriptionId, at, async (tx, held, status) => {
      const payload = { subscriptionId, reason: 'debt' as const, at: at.toISOString() }
      await publish(tx, subscriptionSuspended, payload, { orderingKey: subscriptionId })
      const deed = { reason: 'suspended', actorId: null, at, details: { reason: 'debt' } } as const
      return change(tx, this.parts.clock, held, { status }, deed)
    })
  }

  /** Ends it, as a cancellation at once without refund. */
  async cancelForDebt(subscriptionId: Id<'sub'>, at: Date): Promise<boolean> {
    const { db, coordinator } = this.parts
    const apiId = await apiOf(db, subscriptionId)
    if (apiId === null) return false
    return carryEnd(coordinator, { subscriptionId, apiId }, (tx) =>
      this.applyIn(tx, 'cancel', subscriptionId, at, (held) =>
        end(tx, this.parts, held, { reason: 'debt', actorId: null, at }),
      ),
    )
  }

  /**
   * The debt is paid: active, with all of its rate limits. Where its period ended meanwhile, a new cycle
   * begins now: the time of the suspension is not charged.
   */
  reinstate(subscriptionId: Id<'sub'>, at: Date): Promise<boolean> {
    return this.apply('reinstate', subscriptionId, at, async (tx, held, status) => {
      // After a trial there is no debt: that one waits for a payment method.
      if (held.period.kind === 'trial') return null
      const { clock } = this.parts
      const lapsed = held.period.status !== 'open'
      if (lapsed) await openNext(tx, clock, held, wholeCycle(held.plan, at, 0))
      const payload = { subscriptionId, at: at.toISOString() }
      await publish(tx, subscriptionReinstated, payload, { orderingKey: subscriptionId })
      const set = { status, rateLimitPercent: 100, ...(lapsed && { anchorAt: at }) }
      return change(tx, clock, held, set, { reason: 'reinstated', actorId: null, at })
    })
  }

  private apply(action: Action, id: Id<'sub'>, at: Date, work: Work): Promise<boolean> {
    return this.parts.db.transaction((tx) =>
      this.applyIn(tx, action, id, at, (held, status) => work(tx, held, status)),
    )
  }

  private async applyIn(
    tx: Db,
    action: Action,
    id: Id<'sub'>,
    at: Date,
    work: (held: Held, status: SubscriptionStatus) => Promise<Held | null>,
  ): Promise<boolean> {
    const held = await this.parts.timekeeper.hold(tx, id, at)
    if (!held) return false
    const status = transition(held.subscription.status, action)
    if (status === 'illegal') return false
    return (await work(held, status)) !== null
  }
}

/** Null where nothing is to be done after all. */
type Work = (tx: Db, held: Held, status: SubscriptionStatus) => Promise<Held | null>
