import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { subscriptionSuspended, trialEnded } from './events'
import { change, closeAt, cycleAfter, type Held, openNext, statusAfter } from './held'
import { changePeriod, unitsOf } from './life.repository'
import { isFree, type SubscriptionPayments } from './payments'
import { cutOf } from './periods'

interface Parts {
  clock: Clock
  payments: SubscriptionPayments
}

/** Whether a trial has used what it may use before its date. */
export async function isUsedUp(tx: Db, { subscription, plan, period }: Held): Promise<boolean> {
  if (subscription.status !== 'trialing' || period.kind !== 'trial') return false
  if (plan.trialUnits === null || period.quotaLimit === null) return false
  return (await unitsOf(tx, period)) >= BigInt(period.quotaLimit)
}

/** Goes on where it can be paid for, else its keys are refused until it can. */
export async function endTrial(tx: Db, parts: Parts, held: Held, now: Date): Promise<Held> {
  const { subscription, plan } = held
  const canPay = isFree(plan) || (await parts.payments.canPay(tx, subscription.userId))
  return canPay ? goOn(tx, parts.clock, held, now) : suspend(tx, parts.clock, held, now)
}

/** The first cycle begins where the trial ends: at its date, or now when it is used up. */
async function goOn(tx: Db, clock: Clock, held: Held, now: Date): Promise<Held> {
  const { endsAt } = held.period
  const closed = await closeAt(tx, held, endsAt <= now ? endsAt : cutOf(held.period, now))
  const { opening, anchorAt: at } = cycleAfter(closed, held.plan)
  const period = await openNext(tx, clock, closed, opening)
  await tell(tx, held, 'active', at)
  const set = { status: statusAfter(held.subscription, 'convert'), anchorAt: at }
  const details = { outcome: 'active' }
  const deed = { reason: 'trial_ended', actorId: null, at, details } as const
  const { subscription } = await change(tx, clock, closed, set, deed)
  return { ...closed, subscription, period }
}

/** Calls passed until now, so that the trial lasts until now, however late somebody looks. */
async function suspend(tx: Db, clock: Clock, held: Held, now: Date): Promise<Held> {
  const at = cutOf(held.period, now)
  const { id: subscriptionId } = held.subscription
  const ends = { status: 'closed' as const, endsAt: at, cycleEndsAt: at }
  const period = await changePeriod(tx, held.period.id, ends)
  await tell(tx, held, 'suspended', at)
  const payload = { subscriptionId, reason: 'trial' as const, at: at.toISOString() }
  await publish(tx, subscriptionSuspended, payload, { orderingKey: subscriptionId })
  const set = { status: statusAfter(held.subscription, 'suspend') }
  const details = { outcome: 'suspended' }
  const deed = { reason: 'trial_ended', actorId: null, at, details } as const
  return change(tx, clock, { ...held, period }, set, deed)
}

async function tell(
  tx: Db,
  { subscription: { id: subscriptionId } }: Held,
  outcome: 'active' | 'suspended',
  at: Date,
): Promise<void> {
  const payload = { subscriptionId, outcome, at: at.toISOString() }
  await publish(tx, trialEnded, payload, { orderingKey: subscriptionId })
}
