import type { Db } from '#db/client'
import type { PlanChangeKind } from '#db/schema/subscriptions'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import type { Plan, PricingService } from '#modules/pricing'
import {
  ChangeScheduled,
  NothingScheduled,
  PlanCurrencyDiffers,
  ProrationModeRefused,
  SamePlan,
  WrongDirection,
} from './errors'
import { planChangeScheduled, scheduledChangeWithdrawn, subscriptionPlanChanged } from './events'
import { change, closeAt, type Held, NO_PLAN, openNext, statusAfter } from './held'
import { adjust, cutNow, leaverOf } from './leaver'
import { requireMethod, type SubscriptionPayments } from './payments'
import { kindOf, type PlanChange, type ProrationMode, planChange } from './plan-change'
import { previewView } from './plan-change-views'
import type { PlanChangeInput } from './schemas'
import type { SubscriptionService } from './service'
import type { Timekeeper } from './timekeeper'

export interface PlanChangeParts {
  db: Db
  clock: Clock
  pricing: PricingService
  payments: SubscriptionPayments
  timekeeper: Timekeeper
  subscriptions: SubscriptionService
}

/** What a wish to change the plan comes to: at once, or when the period ends. */
export interface Proposal {
  next: Plan
  kind: 'upgrade' | 'downgrade'
  /** Null when it waits for the end of the period. */
  atOnce: PlanChange | null
  effectiveAt: Date
}

/** Upgrades and downgrades, at once or at the end of the period. */
export class PlanChangeService {
  constructor(private readonly parts: PlanChangeParts) {}

  /** What the change would do now, to the cent: the change itself, not carried out. */
  async preview(actor: Actor, id: string, input: PlanChangeInput) {
    const next = await this.planFor(actor, id, input.planId)
    return this.parts.db.transaction(async (tx) => {
      const held = await this.parts.timekeeper.holdOwn(tx, actor, id)
      return previewView(held, await this.propose(tx, held, next, input))
    })
  }

  /** @param only the direction that the caller means */
  async change(actor: Actor, id: string, input: PlanChangeInput, only?: 'upgrade' | 'downgrade') {
    const next = await this.planFor(actor, id, input.planId)
    await this.parts.db.transaction(async (tx) => {
      const held = await this.parts.timekeeper.holdOwn(tx, actor, id)
      const proposal = await this.propose(tx, held, next, input)
      const { kind, atOnce } = proposal
      if (only && kind !== only) throw new WrongDirection(next.id, kind)
      if (atOnce) await this.carryOut(tx, actor, held, { next, kind, atOnce })
      else await this.schedule(tx, actor, held, proposal)
    })
    return this.parts.subscriptions.get(actor, id)
  }

  /** Neither the scheduled plan nor the scheduled end will come. */
  async withdraw(actor: Actor, id: string) {
    const { db, clock, timekeeper, subscriptions } = this.parts
    await db.transaction(async (tx) => {
      const held = await timekeeper.holdOwn(tx, actor, id)
      const { id: subscriptionId, cancelAt, scheduledPlanKind: kind } = held.subscription
      if (cancelAt === null && (kind === null || kind === 'migration'))
        throw new NothingScheduled(subscriptionId)
      const at = clock.now()
      const payload = { subscriptionId, at: at.toISOString() }
      await publish(tx, scheduledChangeWithdrawn, payload, { orderingKey: subscriptionId })
      const set = { cancelAt: null, cancelledAt: null, ...(kind !== 'migration' && NO_PLAN) }
      await change(tx, clock, held, set, {
        ...{ reason: 'change_withdrawn', actorId: actor.userId, at },
        details: { cancellation: cancelAt !== null },
      })
    })
    return subscriptions.get(actor, id)
  }

  /** The plan that the subscription may get. Read before the transaction, which has one connection. */
  private async planFor(actor: Actor, id: string, planId: string): Promise<Plan> {
    const { api } = await this.parts.subscriptions.own(actor, id)
    return this.parts.pricing.activePlan(api.id, planId)
  }

  private async propose(
    tx: Db,
    held: Held,
    next: Plan,
    { prorationMode, at: when }: PlanChangeInput,
  ): Promise<Proposal> {
    const { subscription, plan, period } = held
    statusAfter(subscription, 'change_plan')
    if (plan.id === next.id) throw new SamePlan(plan.id)
    if (plan.currency !== next.currency) throw new PlanCurrencyDiffers(next.id, plan.currency)
    const { cancelAt, scheduledPlanAt, scheduledPlanKind } = subscription
    const scheduled = scheduledPlanKind === 'migration' ? cancelAt : (cancelAt ?? scheduledPlanAt)
    if (scheduled !== null) throw new ChangeScheduled(subscription.id, scheduled)
    const kind = kindOf(plan, next)
    const mode = prorationMode ?? plan.prorationMode
    const isTrial = period.kind === 'trial'
    const waits = !isTrial && (mode === 'next_period' || (when ?? USUALLY[kind]) === 'period_end')
    if (waits) return { next, kind, atOnce: null, effectiveAt: period.endsAt }
    if (isTrial) await requireMethod(tx, this.parts.payments, subscription.userId, next)
    const atOnce = await this.computed(tx, held, next, mode)
    return { next, kind, atOnce, effectiveAt: atOnce.at }
  }

  /** @throws ProrationModeRefused for a mode that the plan does not offer and that is cheaper now */
  private async computed(tx: Db, held: Held, next: Plan, mode: ProrationMode): Promise<PlanChange> {
    const leaver = await leaverOf(tx, this.parts.pricing, held)
    const at = cutNow(this.parts.clock, held)
    const wanted = planChange(leaver, next, mode, at)
    const offered = held.plan.prorationMode === 'next_period' ? 'time' : held.plan.prorationMode
    if (held.period.kind !== 'trial' && mode !== offered)
      if (costOf(wanted) < costOf(planChange(leaver, next, offered, at)))
        throw new ProrationModeRefused(mode, offered)
    return wanted
  }

  private async carryOut(
    tx: Db,
    actor: Actor,
    held: Held,
    { next, kind, atOnce }: Pick<Proposal, 'next' | 'kind'> & { atOnce: PlanChange },
  ): Promise<void> {
    const { clock } = this.parts
    const { at, mode, anchorAt } = atOnce
    const { id, status: before } = held.subscription
    const status = before === 'trialing' ? statusAfter(held.subscription, 'convert') : before
    const closed = await closeAt(tx, held, at, atOnce.closing)
    await adjust(tx, clock, closed, atOnce.adjustments)
    await openNext(tx, clock, closed, atOnce.opening)
    const payload = { subscriptionId: id, fromPlanId: held.plan.id, planId: next.id }
    await publish(
      tx,
      subscriptionPlanChanged,
      { ...payload, at: at.toISOString() },
      { orderingKey: id },
    )
    const set = { pricingModelId: next.id, anchorAt, status, ...NO_PLAN }
    await change(tx, clock, closed, set, {
      ...{ reason: kind, actorId: actor.userId, at },
      details: { from: held.plan.id, to: next.id, mode },
    })
  }

  private schedule(tx: Db, actor: Actor, held: Held, { next, kind, effectiveAt }: Proposal) {
    return schedulePlan(tx, this.parts.clock, held, {
      ...{ planId: next.id, kind, effectiveAt, actorId: actor.userId },
    })
  }
}

const USUALLY = { upgrade: 'now', downgrade: 'period_end' } as const

/** All that is charged for the old period and the new one. */
const costOf = ({ closing, opening, adjustments }: PlanChange): bigint =>
  adjustments.reduce((sum, { amount }) => sum + amount, closing.flatFee + opening.flatFee)

/** Lets another plan wait for its time. */
export async function schedulePlan(
  tx: Db,
  clock: Clock,
  held: Held,
  change_: { planId: Plan['id']; kind: PlanChangeKind; effectiveAt: Date; actorId: string },
): Promise<void> {
  const { planId, kind, effectiveAt, actorId } = change_
  const { id: subscriptionId } = held.subscription
  const at = clock.now()
  const payload = { subscriptionId, planId, kind, effectiveAt: effectiveAt.toISOString() }
  const event = { ...payload, at: at.toISOString() }
  await publish(tx, planChangeScheduled, event, { orderingKey: subscriptionId })
  const set = { scheduledPlanId: planId, scheduledPlanAt: effectiveAt, scheduledPlanKind: kind }
  await change(tx, clock, held, set, {
    ...{ reason: 'change_scheduled', actorId, at },
    details: { kind, planId, effectiveAt: effectiveAt.toISOString() },
  })
}
