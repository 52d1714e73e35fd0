import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import { type Coordinator, GatewayFailure } from '#modules/gateway'
import { subscriptionCancelled } from './events'
import { change, closeAt, type Held, NO_PLAN, statusAfter } from './held'
import { cutOf } from './periods'
import type { Leaving } from './proration'

/** What a subscription needs of its keys; keys are built on subscriptions, not the reverse. */
export interface SubscriptionKeys {
  /** Makes the first key, pending until the gateway has it. */
  issueFirst(db: Db, subscription: { id: Id<'sub'>; apiId: Id<'api'> }): Promise<IssuedKey>
  activateAll(db: Db, subscriptionId: Id<'sub'>, at: Date): Promise<void>
  /** For good: the edge refuses them, and the next push takes them out of the gateways. */
  revokeAll(db: Db, subscriptionId: Id<'sub'>, at: Date): Promise<void>
  deleteAll(db: Db, subscriptionId: Id<'sub'>): Promise<void>
}

/** A key that was just made: `key` is the only time that anyone sees it whole. */
export interface IssuedKey {
  id: Id<'key'>
  key: string
}

export interface End {
  /** Whose wish or fault it is; `trial`: nobody took it up after its trial. */
  reason: 'asked' | 'debt' | 'trial'
  actorId: string | null
  at: Date
  /** What the period that is cut is left with, where that is not all. */
  terms?: Leaving['closing'] | undefined
}

/** Ends a subscription for good: its period is cut, what was scheduled falls away, its keys are revoked. */
export async function end(
  tx: Db,
  { clock, keys }: { clock: Clock; keys: SubscriptionKeys },
  held: Held,
  { reason, actorId, at: wanted, terms }: End,
): Promise<Held> {
  const action = reason === 'trial' ? 'expire' : 'cancel'
  const status = statusAfter(held.subscription, action)
  const isRunning = held.period.status === 'open'
  const at = isRunning ? cutOf(held.period, wanted) : wanted
  const closed = await closeAt(tx, held, at, terms)
  const { id, cancelledAt } = closed.subscription
  await keys.revokeAll(tx, id, at)
  const payload = { subscriptionId: id, reason, at: at.toISOString() }
  await publish(tx, subscriptionCancelled, payload, { orderingKey: id })
  const set = {
    ...{ status, endedAt: at, cancelledAt: cancelledAt ?? at, cancelAt: null, pausedAt: null },
    ...NO_PLAN,
  }
  const history = status === 'expired' ? 'expired' : 'cancelled'
  return change(tx, clock, closed, set, { reason: history, actorId, at, details: { reason } })
}

const ENDED = 'subscription.ended'

/** An end is never taken back: the edge refuses the keys whatever the gateways list. */
export function registerEndings(coordinator: Coordinator): void {
  const keep = () => Promise.resolve()
  coordinator.register(ENDED, { commit: keep, rollBack: keep })
}

/** Ends a subscription and takes its keys out of the gateways; those that are away drop them later. */
export async function carryEnd<T>(
  coordinator: Coordinator,
  { subscriptionId: subjectId, apiId }: { subscriptionId: Id<'sub'>; apiId: Id<'api'> },
  work: (tx: Db) => Promise<T>,
): Promise<T> {
  let done: { result: T } | null = null
  const prepare = async (tx: Db) => {
    done = { result: await work(tx) }
  }
  try {
    await coordinator.run({ kind: ENDED, subjectId, apiId, prepare })
  } catch (error) {
    if (!(error instanceof GatewayFailure && done)) throw error
  }
  return invariant<{ result: T }>(done, subjectId).result
}
