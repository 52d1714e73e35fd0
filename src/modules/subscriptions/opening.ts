import type { Db } from '#db/client'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { type Id, newId } from '#lib/id'
import type { Plan, PricingService } from '#modules/pricing'
import { ApiWithdrawn } from './errors'
import { writeDown } from './held'
import { changeSubscription, insertPeriod } from './life.repository'
import { isFree, requireMethod, type SubscriptionPayments } from './payments'
import { trialPeriod, wholeCycle } from './periods'
import { insertSubscription, lockPublished } from './repository'
import { hadTrial } from './trials.repository'

export interface OpeningParts {
  clock: Clock
  pricing: PricingService
  payments: SubscriptionPayments
}

export interface Opening {
  id: Id<'sub'>
  apiId: Id<'api'>
  slug: string
  plan: Plan
  /** Code of a promotion. */
  promotion: string | undefined
}

/** Makes a subscription with its first period: a trial where the plan or a promotion gives one. */
export async function openSubscription(
  tx: Db,
  parts: OpeningParts,
  { userId }: Actor,
  { id, apiId, slug, plan: wanted, promotion: code }: Opening,
): Promise<void> {
  const now = parts.clock.now()
  if (!(await lockPublished(tx, apiId))) throw new ApiWithdrawn(slug)
  // One trial per user and API: asked before this one is there.
  const trialIsOver = await hadTrial(tx, { userId, apiId })
  await insertSubscription(tx, {
    ...{ id, apiId, userId, pricingModelId: wanted.id, status: 'active' },
    ...{ anchorAt: now, createdAt: now, updatedAt: now },
  })
  const of = { userId, subscriptionId: id, plan: wanted, at: now }
  const redeemed = code === undefined ? null : await parts.pricing.redeem(tx, { code, ...of })
  const plan = redeemed?.plan ?? wanted
  const days = isFree(plan) || trialIsOver ? 0 : (redeemed?.trialDays ?? plan.trialDays)
  if (days > 0 && plan.trialCardRequired) await requireMethod(tx, parts.payments, userId, plan)
  const shape = days > 0 ? trialPeriod(plan, now, days) : wholeCycle(plan, now, 0)
  await insertPeriod(tx, {
    ...{ id: newId('per', parts.clock), subscriptionId: id, ordinal: 0, createdAt: now },
    ...shape,
  })
  const trial = days > 0 && { status: 'trialing' as const, trialEndsAt: shape.endsAt }
  const set = { pricingModelId: plan.id, ...trial, updatedAt: now }
  await writeDown(tx, parts.clock, await changeSubscription(tx, id, set), {
    ...{ reason: 'subscribed', actorId: userId, at: now },
    details: { apiId, planId: plan.id, ...(code !== undefined && { promotion: code }) },
  })
}
