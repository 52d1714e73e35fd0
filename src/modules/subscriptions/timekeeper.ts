import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { type Id, parseId } from '#lib/id'
import type { PricingService } from '#modules/pricing'
import { end, type SubscriptionKeys } from './ending'
import { SubscriptionUnknown } from './errors'
import { subscriptionPlanChanged } from './events'
import { change, closeAt, cycleAfter, type Held, NO_PLAN, openNext } from './held'
import { changeSubscription, lockSubscription, newestPeriod } from './life.repository'
import type { SubscriptionPayments } from './payments'
import { endTrial, isUsedUp } from './trial-end'

/** What time alone asks of a subscription. */
type Step = 'end' | 'close' | 'end_trial' | 'change_plan' | 'renew'

/** The next thing that is due, null when it is up to date. */
export function dueStep({ subscription, period }: Held, now: Date): Step | null {
  const { status, endedAt, cancelAt, scheduledPlanAt } = subscription
  if (endedAt !== null) return null
  if (cancelAt !== null && cancelAt <= now) return 'end'
  if (period.status !== 'open' || period.endsAt > now) return null
  if (status === 'suspended') return 'close'
  if (status === 'trialing') return 'end_trial'
  return scheduledPlanAt !== null && scheduledPlanAt <= period.endsAt ? 'change_plan' : 'renew'
}

export interface TimekeeperParts {
  clock: Clock
  pricing: PricingService
  keys: SubscriptionKeys
  payments: SubscriptionPayments
}

/**
 * Brings a subscription to the present before anything is done to it: a change asked for after a
 * downtime finds what a punctual job would have left. The jobs do nothing else.
 */
export class Timekeeper {
  constructor(private readonly parts: TimekeeperParts) {}

  /** Locks the subscription, if it is the actor's. @throws SubscriptionUnknown */
  async holdOwn(tx: Db, actor: Actor, id: string): Promise<Held> {
    const known = parseId('sub', id)
    const held = known && (await this.hold(tx, known))
    if (held?.subscription.userId !== actor.userId) throw new SubscriptionUnknown(id)
    return held
  }

  /** Locks the subscription and does what is due; null when there is none. */
  async hold(tx: Db, id: Id<'sub'>, now = this.parts.clock.now()): Promise<Held | null> {
    const subscription = await lockSubscription(tx, id)
    if (subscription === null) return null
    const plan = await this.parts.pricing.planOf(tx, subscription.pricingModelId)
    let held: Held = { subscription, plan, period: await newestPeriod(tx, id) }
    for (;;) {
      const step = dueStep(held, now) ?? ((await isUsedUp(tx, held)) ? 'end_trial' : null)
      if (step === null) return held
      held = await this.take(step, tx, held, now)
    }
  }

  private take(step: Step, tx: Db, held: Held, now: Date): Promise<Held> {
    const { period, subscription } = held
    switch (step) {
      case 'end': {
        const at = subscription.cancelAt ?? now
        return end(tx, this.parts, held, { reason: 'asked', actorId: null, at })
      }
      case 'close':
        return closeAt(tx, held, period.endsAt)
      case 'end_trial':
        return endTrial(tx, this.parts, held, now)
      case 'change_plan':
        return this.changePlan(tx, held)
      case 'renew':
        return this.renew(tx, held, now)
    }
  }

  /** The next period opens exactly where the last one ended. */
  private async renew(tx: Db, held: Held, now: Date): Promise<Held> {
    const closed = await closeAt(tx, held, held.period.endsAt)
    const { opening } = cycleAfter(closed, held.plan)
    const period = await openNext(tx, this.parts.clock, closed, opening)
    // The edge watches the row.
    const subscription = await changeSubscription(tx, held.subscription.id, { updatedAt: now })
    return { subscription, plan: held.plan, period }
  }

  /** The same with the plan that waited for it. */
  private async changePlan(tx: Db, held: Held): Promise<Held> {
    const { clock, pricing } = this.parts
    const { id, scheduledPlanId, scheduledPlanKind } = held.subscription
    const plan = await pricing.planOf(tx, invariant(scheduledPlanId, `scheduled plan of ${id}`))
    const closed = await closeAt(tx, held, held.period.endsAt)
    const { opening, anchorAt } = cycleAfter(closed, plan)
    const period = await openNext(tx, clock, closed, opening)
    const at = opening.startsAt
    const payload = { subscriptionId: id, fromPlanId: held.plan.id, planId: plan.id }
    const event = { ...payload, at: at.toISOString() }
    await publish(tx, subscriptionPlanChanged, event, { orderingKey: id })
    const set = { pricingModelId: plan.id, anchorAt, ...NO_PLAN }
    const { subscription } = await change(tx, clock, closed, set, {
      ...{ reason: scheduledPlanKind ?? 'downgrade', actorId: null, at },
      details: { from: held.plan.id, to: plan.id, mode: 'next_period' },
    })
    return { subscription, plan, period }
  }
}
