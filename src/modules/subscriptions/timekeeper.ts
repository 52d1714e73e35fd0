import type { Db } from '#db/client'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { type Id, parseId } from '#lib/id'
import type { PricingService } from '#modules/pricing'
import { end, type SubscriptionKeys } from './ending'
import { SubscriptionUnknown } from './errors'
import { closeAt, type Held, openNext } from './held'
import { changeSubscription, lockSubscription, newestPeriod } from './life.repository'
import { wholeCycle } from './periods'

/** What time alone asks of a subscription. */
type Step = 'end' | 'close' | 'renew'

/** The next thing that is due, null when it is up to date. */
export function dueStep({ subscription, period }: Held, now: Date): Step | null {
  const { status, endedAt, cancelAt } = subscription
  if (endedAt !== null || status === 'paused') return null
  if (cancelAt !== null && cancelAt <= now) return 'end'
  if (period.status !== 'open' || period.endsAt > now) return null
  return status === 'suspended' ? 'close' : 'renew'
}

export interface TimekeeperParts {
  clock: Clock
  pricing: PricingService
  keys: SubscriptionKeys
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
      const step = dueStep(held, now)
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
      case 'renew':
        return this.renew(tx, held, now)
    }
  }

  /** The next period opens exactly where the last one ended. */
  private async renew(tx: Db, held: Held, now: Date): Promise<Held> {
    const { subscription, plan, period } = await closeAt(tx, held, held.period.endsAt)
    const shape = wholeCycle(plan, subscription.anchorAt, period.cycleIndex + 1)
    const next = await openNext(tx, this.parts.clock, held, shape)
    // The edge watches the row.
    const touched = await changeSubscription(tx, subscription.id, { updatedAt: now })
    return { subscription: touched, plan, period: next }
  }
}
