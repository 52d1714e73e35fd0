import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import type { PricingService } from '#modules/pricing'
import { ChangeScheduled, DebtFirst } from './errors'
import { subscriptionPaused, subscriptionResumed } from './events'
import { change, closeAt, type Held, openNext, statusAfter } from './held'
import { adjust, cutNow, leaverOf } from './leaver'
import { requireMethod, type SubscriptionPayments } from './payments'
import { wholeCycle } from './periods'
import { leave, unusedOf } from './proration'
import type { SubscriptionService } from './service'
import type { Timekeeper } from './timekeeper'

export interface PauseParts {
  db: Db
  clock: Clock
  pricing: PricingService
  payments: SubscriptionPayments
  timekeeper: Timekeeper
  subscriptions: SubscriptionService
}

/** Pauses subscriptions and takes them up again. */
export class PauseService {
  constructor(private readonly parts: PauseParts) {}

  /** Keys are refused within a second; the unused time of the period is credited. */
  async pause(actor: Actor, id: string) {
    const { db, clock, timekeeper, subscriptions } = this.parts
    await db.transaction(async (tx) => {
      const held = await timekeeper.holdOwn(tx, actor, id)
      const { id: subscriptionId, cancelAt, scheduledPlanAt } = held.subscription
      const status = statusAfter(held.subscription, 'pause')
      const scheduled = cancelAt ?? scheduledPlanAt
      if (scheduled !== null) throw new ChangeScheduled(subscriptionId, scheduled)
      const { plan, period, paid, units } = await leaverOf(tx, this.parts.pricing, held)
      const at = cutNow(clock, held)
      const unused = unusedOf('time', period, at, units)
      const { closing, credit, explain } = leave(plan, period, at, { unused, paid })
      const closed = await closeAt(tx, held, at, closing)
      if (credit > 0n)
        await adjust(tx, clock, closed, [
          {
            ...{ code: 'pause_credit', description: `Unused part of ${plan.name}` },
            ...{ amount: -credit, explain: `−${explain}` },
          },
        ])
      const payload = { subscriptionId, at: at.toISOString() }
      await publish(tx, subscriptionPaused, payload, { orderingKey: subscriptionId })
      const deed = { reason: 'paused', actorId: actor.userId, at } as const
      await change(tx, clock, closed, { status, pausedAt: at }, deed)
    })
    return subscriptions.get(actor, id)
  }

  /** A new cycle begins now: after a pause, or after a trial once there is a payment method. */
  async resume(actor: Actor, id: string) {
    const { db, clock, timekeeper, subscriptions } = this.parts
    await db.transaction(async (tx) => {
      const held = await timekeeper.holdOwn(tx, actor, id)
      const status = statusAfter(held.subscription, 'resume')
      if (held.subscription.status === 'suspended') await this.requirePayment(tx, held)
      const at = new Date(Math.max(clock.now().getTime(), held.period.endsAt.getTime()))
      await openNext(tx, clock, held, wholeCycle(held.plan, at, 0))
      const { id: subscriptionId } = held.subscription
      const payload = { subscriptionId, at: at.toISOString() }
      await publish(tx, subscriptionResumed, payload, { orderingKey: subscriptionId })
      const set = { status, anchorAt: at, pausedAt: null }
      await change(tx, clock, held, set, { reason: 'resumed', actorId: actor.userId, at })
    })
    return subscriptions.get(actor, id)
  }

  private async requirePayment(tx: Db, { subscription, period, plan }: Held): Promise<void> {
    if (period.kind !== 'trial') throw new DebtFirst(subscription.id)
    await requireMethod(tx, this.parts.payments, subscription.userId, plan)
  }
}
