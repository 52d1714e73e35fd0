import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import type { Coordinator } from '#modules/gateway'
import type { PricingService } from '#modules/pricing'
import { carryEnd, end, type SubscriptionKeys } from './ending'
import { ChangeScheduled } from './errors'
import { cancellationScheduled, refundDue } from './events'
import { change, type Held, NO_PLAN, statusAfter } from './held'
import { adjust, cutNow, leaverOf } from './leaver'
import { leave, unusedOf } from './proration'
import type { CancelInput } from './schemas'
import type { SubscriptionService } from './service'
import type { Timekeeper } from './timekeeper'

export interface CancellationParts {
  db: Db
  clock: Clock
  coordinator: Coordinator
  pricing: PricingService
  keys: SubscriptionKeys
  timekeeper: Timekeeper
  subscriptions: SubscriptionService
}

/** Ends subscriptions as their consumers wish: at the end of the period, or at once. */
export class CancellationService {
  constructor(private readonly parts: CancellationParts) {}

  async cancel(actor: Actor, id: string, { at }: CancelInput = {}) {
    const { db, subscriptions, timekeeper, coordinator } = this.parts
    const { id: subscriptionId, api, status } = await subscriptions.own(actor, id)
    // A pause has no period whose end could be waited for.
    if (at === 'now' || status === 'paused')
      await carryEnd(coordinator, { subscriptionId, apiId: api.id }, async (tx) =>
        this.endNow(tx, actor, await timekeeper.holdOwn(tx, actor, id)),
      )
    else
      await db.transaction(async (tx) =>
        this.schedule(tx, actor, await timekeeper.holdOwn(tx, actor, id)),
      )
    return subscriptions.get(actor, id)
  }

  /** At the end of what is paid for; what was scheduled before falls away. */
  private async schedule(tx: Db, actor: Actor, held: Held): Promise<void> {
    const { subscription, period } = held
    const { id: subscriptionId, cancelAt: before } = subscription
    statusAfter(subscription, 'cancel')
    if (before !== null) throw new ChangeScheduled(subscriptionId, before)
    const at = this.parts.clock.now()
    const cancelAt = period.status === 'open' ? period.endsAt : at
    const effectiveAt = cancelAt.toISOString()
    const payload = { subscriptionId, effectiveAt, at: at.toISOString() }
    await publish(tx, cancellationScheduled, payload, { orderingKey: subscriptionId })
    const set = { cancelAt, cancelledAt: at, ...NO_PLAN }
    const details = { kind: 'cancellation', effectiveAt }
    await change(tx, this.parts.clock, held, set, {
      ...{ reason: 'change_scheduled', actorId: actor.userId, at, details },
    })
  }

  private async endNow(tx: Db, actor: Actor, held: Held): Promise<void> {
    const { clock } = this.parts
    const { plan, period, subscription } = held
    statusAfter(subscription, 'cancel')
    const asked = { reason: 'asked', actorId: actor.userId } as const
    if (period.status !== 'open') {
      await end(tx, this.parts, held, { ...asked, at: clock.now() })
      return
    }
    const at = cutNow(clock, held)
    const { paid, units } = await leaverOf(tx, this.parts.pricing, held)
    const unused = unusedOf(plan.refundPolicy, period, at, units)
    const { closing, credit, explain } = leave(plan, period, at, { unused, paid })
    const ended = await end(tx, this.parts, held, { ...asked, at, terms: closing })
    if (credit > 0n) await this.giveBack(tx, ended, { credit, explain, at })
  }

  /** The last invoice has it as a credit; whoever paid by card gets it back. */
  private async giveBack(
    tx: Db,
    held: Held,
    { credit, explain, at }: { credit: bigint; explain: string; at: Date },
  ): Promise<void> {
    const { id: subscriptionId } = held.subscription
    const { currency, name } = held.plan
    const code = 'cancellation_credit' as const
    const description = `Unused part of ${name}`
    const [row] = await adjust(tx, this.parts.clock, held, [
      { code, description, amount: -credit, explain: `−${explain}` },
    ])
    const adjustmentId = invariant(row, 'the adjustment').id
    const payload = { subscriptionId, adjustmentId, amount: Number(credit), currency }
    const event = { ...payload, reason: 'cancelled' as const, at: at.toISOString() }
    await publish(tx, refundDue, event, { orderingKey: subscriptionId })
  }
}
