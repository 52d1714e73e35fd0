import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Clock } from '#lib/clock'
import { newId } from '#lib/id'
import type { Plan } from '#modules/pricing'
import { IllegalTransition } from './errors'
import {
  type BillingPeriod,
  changePeriod,
  changeSubscription,
  type HistoryReason,
  insertHistory,
  insertPeriod,
  type SubscriptionRow,
} from './life.repository'
import { type PeriodShape, wholeCycle } from './periods'
import { type Action, transition } from './state-machine'

/** A subscription that this transaction has locked, with its newest period and its plan. */
export interface Held {
  subscription: SubscriptionRow
  period: BillingPeriod
  plan: Plan
}

/** No other plan waits. */
export const NO_PLAN = { scheduledPlanId: null, scheduledPlanAt: null, scheduledPlanKind: null }

/** What was done to a subscription, by whom (null: by time or by a debt), and from when it holds. */
export interface Deed {
  reason: HistoryReason
  actorId: string | null
  at: Date
  details?: Record<string, unknown>
}

/** The status that the action leads to. @throws IllegalTransition */
export function statusAfter({ id, status }: SubscriptionRow, action: Action) {
  const next = transition(status, action)
  if (next === 'illegal') throw new IllegalTransition(id, status, action)
  return next
}

/** Changes the row, and writes the deed down. */
export async function change(
  tx: Db,
  clock: Clock,
  held: Held,
  set: Partial<Omit<SubscriptionRow, 'id' | 'changedXid' | 'updatedAt'>>,
  deed: Deed,
): Promise<Held> {
  const { id } = held.subscription
  const subscription = await changeSubscription(tx, id, { ...set, updatedAt: clock.now() })
  await writeDown(tx, clock, subscription, deed)
  return { ...held, subscription }
}

/** Into the history of the subscription and into the audit log. */
export async function writeDown(
  tx: Db,
  clock: Clock,
  { id, pricingModelId }: SubscriptionRow,
  { reason, actorId, at, details = {} }: Deed,
): Promise<void> {
  const now = clock.now()
  await insertHistory(tx, {
    ...{ id: newId('hst', clock), subscriptionId: id, pricingModelId, reason, details },
    ...{ effectiveAt: at, createdAt: now },
  })
  await recordAudit(tx, {
    ...{ actorId, subjectId: id, at: now },
    action: `subscription.${AUDITED[reason] ?? reason.replaceAll('_', '-')}`,
    details: { ...details, effectiveAt: at.toISOString() },
  })
}

const AUDITED: Partial<Record<HistoryReason, string>> = { subscribed: 'created' }

/** The cycle after a period that ran to its end; another billing cycle is counted from there. */
export function cycleAfter(
  { subscription, plan, period }: Held,
  next: Plan,
): { opening: PeriodShape; anchorAt: Date } {
  const goesOn = period.kind === 'regular' && plan.billingCycle === next.billingCycle
  const anchorAt = goesOn ? subscription.anchorAt : period.endsAt
  return { opening: wholeCycle(next, anchorAt, goesOn ? period.cycleIndex + 1 : 0), anchorAt }
}

/** Opens the period after the newest one. */
export async function openNext(
  tx: Db,
  clock: Clock,
  { subscription, period }: Held,
  shape: PeriodShape,
): Promise<BillingPeriod> {
  return insertPeriod(tx, {
    ...{ id: newId('per', clock), subscriptionId: subscription.id, createdAt: clock.now() },
    ...{ ordinal: period.ordinal + 1, ...shape },
  })
}

/** Ends the newest period at `at`, or leaves it ended where it ended before. */
export async function closeAt(
  tx: Db,
  held: Held,
  at: Date,
  terms: Partial<Pick<BillingPeriod, 'flatFee' | 'quotaLimit'>> = {},
): Promise<Held> {
  const { period } = held
  if (period.status !== 'open') return held
  const endsAt = at < period.endsAt ? at : period.endsAt
  return {
    ...held,
    period: await changePeriod(tx, period.id, { status: 'closed', endsAt, ...terms }),
  }
}
