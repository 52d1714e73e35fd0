import type { Db } from '#db/client'
import { violates } from '#db/errors'
import { recordAudit } from '#infra/audit'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { parseDecimal } from '#lib/decimal'
import { invariant } from '#lib/errors'
import { type Id, newId, parseId } from '#lib/id'
import { type PageRequest, toPage } from '#lib/page'
import type { Discount } from './engine/adjustments'
import {
  NothingToApplyTo,
  PlanUnknown,
  PromotionCodeTaken,
  PromotionInvalid,
  PromotionRefused,
  PromotionUnknown,
} from './errors'
import { withoutTrailingZeros } from './plan-charges'
import { type Promotion, type Redeemer, refusalOf } from './promotion-conditions'
import { type PromotionShape, promotionMistakes } from './promotion-rules'
import { discountView, promotionView } from './promotion-views'
import * as rows from './promotions.repository'
import { costView, wholePeriod } from './rating'
import { findActivePlan, findPlan, findPublicPlan, type Plan } from './repository'

/** A code that somebody brings along when subscribing; `at` is when the first period begins. */
export interface Redeeming {
  code: string
  userId: Id<'usr'>
  subscriptionId: Id<'sub'>
  plan: Plan
  at: Date
}

/** What a redemption changes of a subscription that begins. */
export interface Redeemed {
  /** Days of trial that it gives; null when it gives none. */
  trialDays: number | null
  /** The plan that is given in place of the chosen one; null when it stays. */
  plan: Plan | null
}

/** Codes that make plans cheaper: what they are worth, to whom, and how often. */
export class PromotionService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async list(page: PageRequest) {
    const { items, nextCursor } = toPage(await rows.listPromotions(this.db, page), page.limit)
    return { items: items.map(promotionView), nextCursor }
  }

  async create(actor: Actor, { code, ...shape }: PromotionShape & { code: string }) {
    const at = this.clock.now()
    const startsAt = shape.startsAt ?? at.toISOString()
    const mistakes = promotionMistakes({ ...shape, startsAt })
    const apiId = shape.api === undefined ? null : await rows.apiIdOf(this.db, shape.api)
    if (shape.api !== undefined && apiId === null)
      mistakes.push({ path: ['api'], message: `there is no API ${shape.api}` })
    if (mistakes.length > 0) throw new PromotionInvalid(mistakes)
    const id = newId('prm', this.clock)
    const identity = { id, code, apiId, source: 'admin', createdAt: at } as const
    const row = { ...rowOf(shape), ...identity, startsAt: new Date(startsAt) }
    try {
      return await this.db.transaction(async (tx) => {
        const made = await rows.insertPromotion(tx, row)
        const entry = { actorId: actor.userId, action: 'promotion.created', subjectId: id } as const
        await recordAudit(tx, { ...entry, details: { code, ...shape }, at })
        return promotionView(made)
      })
    } catch (error) {
      if (violates(error, 'promotions_code_unique')) throw new PromotionCodeTaken(code)
      throw error
    }
  }

  /** Whether a code would be taken for a plan, and what a cycle would then cost. Uses nothing. */
  async validate({ code, planId, units = 0 }: { code: string; planId: string; units?: number }) {
    const known = parseId('plan', planId)
    const plan = known && (await findPublicPlan(this.db, known))
    if (!plan) throw new PlanUnknown(planId)
    const promotion = await rows.findPromotion(this.db, code)
    if (!promotion) throw new PromotionUnknown(code)
    const refusal = refusalOf(promotion, plan, this.clock.now(), null)
    const worth = refusal === null ? await worthOf(this.db, promotion, plan) : null
    if (!worth)
      return { code, valid: false, reason: refusal ?? 'no_upgrade', promotion: null, cost: null }
    const discounts = discountsOf([{ code, type: promotion.type, value: worth.value }])
    const cost = costView(worth.plan, units, wholePeriod(worth.plan), discounts)
    return { code, valid: true, reason: null, promotion: discountView(promotion), cost }
  }

  /** Redeems a code for a subscription that runs; it counts from the next period on. */
  async apply(actor: Actor, { code, subscriptionId }: { code: string; subscriptionId: string }) {
    const id = parseId('sub', subscriptionId)
    if (!id) throw new NothingToApplyTo(subscriptionId)
    return this.db.transaction(async (tx) => {
      const subscription = await rows.lockSubscription(tx, id)
      if (subscription?.userId !== actor.userId || subscription.isOver)
        throw new NothingToApplyTo(subscriptionId)
      const plan = invariant(await findPlan(tx, subscription.planId), subscription.planId)
      const at = this.clock.now()
      const of = { userId: actor.userId, subscriptionId: id, isSubscribed: true }
      const { promotion } = await this.redeemLocked(tx, code, plan, of, at)
      const entry = { actorId: actor.userId, action: 'promotion.applied', subjectId: id } as const
      await recordAudit(tx, { ...entry, details: { code }, at })
      return {
        subscriptionId: id,
        redeemedAt: at.toISOString(),
        promotion: discountView(promotion),
      }
    })
  }

  /**
   * Redeems a code for a subscription that is being made, in the transaction that makes it, after its
   * row and before its first period. However many do so at once, none is given beyond its uses.
   *
   * @throws PromotionUnknown, PromotionRefused
   */
  async redeem(tx: Db, redeeming: Redeeming): Promise<Redeemed> {
    const { code, userId, subscriptionId, plan, at } = redeeming
    const redeemer = { userId, subscriptionId, isSubscribed: false }
    const { promotion, worth } = await this.redeemLocked(tx, code, plan, redeemer, at)
    return {
      trialDays: promotion.type === 'free_trial' ? Number(promotion.value) : null,
      plan: worth.plan === plan ? null : worth.plan,
    }
  }

  private async redeemLocked(
    tx: Db,
    code: string,
    plan: Plan,
    of: { userId: Id<'usr'>; subscriptionId: Id<'sub'>; isSubscribed: boolean },
    at: Date,
  ): Promise<{ promotion: Promotion; worth: Worth }> {
    const promotion = await rows.lockPromotion(tx, code)
    if (!promotion) throw new PromotionUnknown(code)
    const redeemer: Redeemer = await rows.redeemerOf(tx, promotion.id, of)
    const refusal = refusalOf(promotion, plan, at, redeemer)
    if (refusal) throw new PromotionRefused(code, refusal)
    const worth = await worthOf(tx, promotion, plan)
    if (!worth) throw new PromotionRefused(code, 'no_upgrade')
    const { type, planSlug, upgradeTo, cycles, priority } = promotion
    await rows.insertRedemption(tx, {
      ...{ id: newId('red', this.clock), promotionId: promotion.id, type, cycles, priority },
      value: worth.value,
      ...{ userId: of.userId, subscriptionId: of.subscriptionId, redeemedAt: at },
      planSlug: upgradeTo ?? planSlug,
    })
    return { promotion, worth }
  }
}

/** The plan that one has with a promotion, and what the promotion is worth on it. */
interface Worth {
  plan: Plan
  value: string
}

/** Null where the plan that it gives is not there, or not above the chosen one. */
async function worthOf(db: Db, promotion: Promotion, plan: Plan): Promise<Worth | null> {
  if (promotion.upgradeTo === null) return { plan, value: promotion.value }
  const given = await findActivePlan(db, plan.apiId, promotion.upgradeTo)
  if (!given || !isUpgrade(plan, given)) return null
  return { plan: given, value: `${given.flatFee - plan.flatFee}` }
}

const isUpgrade = (from: Plan, to: Plan): boolean =>
  to.flatFee > from.flatFee &&
  to.currency === from.currency &&
  to.billingCycle === from.billingCycle &&
  to.flatFeeTiming === from.flatFeeTiming

/** Redeemed promotions as the engine takes them off, in the order in which they apply. */
export const discountsOf = (redeemed: readonly Redeemable[]): Discount[] =>
  redeemed.map(discountOf).filter((discount) => discount !== null)

type Redeemable = Pick<rows.PeriodRedemption, 'code' | 'type' | 'value'>

function discountOf({ code: promotion, type, value }: Redeemable): Discount | null {
  const { units, scale } = invariant(parseDecimal(withoutTrailingZeros(value)), value)
  switch (type) {
    case 'percentage':
      return { kind: 'percentage', promotion, percent: { units, scale } }
    case 'free_units':
      return { kind: 'free_units', promotion, units }
    case 'fixed':
    case 'tier_upgrade':
      return { kind: 'fixed', promotion, amount: units }
    case 'free_trial':
      return null
  }
}

const instantOf = (text: string | undefined): Date | null =>
  text === undefined ? null : new Date(text)

/** A promotion as it is written, as a row; null for a beginning that is not said. */
export function rowOf(shape: PromotionShape) {
  const { type, description, currency, cycles, plan, upgradeTo, maxUses, maxUsesPerUser } = shape
  return {
    ...{ type, value: shape.value ?? '0', description: description ?? null },
    ...{ currency: currency ?? null, cycles: cycles ?? null, planSlug: plan ?? null },
    ...{ upgradeTo: upgradeTo ?? null, maxUses: maxUses ?? null },
    ...{ maxUsesPerUser: maxUsesPerUser ?? null, firstPurchase: shape.firstPurchase ?? false },
    minimumFee: shape.minimumFee === undefined ? null : BigInt(shape.minimumFee),
    ...{ stackable: shape.stackable ?? true, priority: shape.priority ?? 0 },
    ...{ startsAt: instantOf(shape.startsAt), endsAt: instantOf(shape.endsAt) },
  }
}
