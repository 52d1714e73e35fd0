import type { promotions } from '#db/schema/promotions'
import type { Plan } from './repository'

export type Promotion = typeof promotions.$inferSelect

/** Who redeems, and what is known of them; null where nobody is signed in. */
export interface Redeemer {
  /** How often they have used this promotion. */
  uses: number
  /** Whether they have had another subscription that is not free. */
  hasBought: boolean
  /** What the subscription has redeemed before. */
  others: { promotionId: Promotion['id']; stackable: boolean }[]
  /** Whether the subscription is there already. */
  isSubscribed: boolean
}

export const REFUSALS = {
  not_started: 'it has not begun yet',
  ended: 'it has ended',
  used_up: 'it was used as often as it may be',
  used_up_by_you: 'you have used it as often as you may',
  other_api: 'it is for another API',
  other_plan: 'it is for another plan',
  other_currency: 'it is for plans in another currency',
  fee_too_low: 'the fee of this plan is too low for it',
  not_first_purchase: 'it is for a first purchase only',
  already_redeemed: 'this subscription has it already',
  not_combinable: 'it cannot be combined with another promotion',
  only_at_subscribe: 'it can only be redeemed when subscribing',
  no_upgrade: 'the plan that it gives is not above this one',
} as const
export type PromotionRefusal = keyof typeof REFUSALS

/** The first condition that is not met; null when all are. Pure. */
export function refusalOf(
  promotion: Promotion,
  plan: Plan,
  at: Date,
  redeemer: Redeemer | null,
): PromotionRefusal | null {
  return generalRefusal(promotion, plan, at) ?? (redeemer && personalRefusal(promotion, redeemer))
}

function generalRefusal(promotion: Promotion, plan: Plan, at: Date): PromotionRefusal | null {
  const { startsAt, endsAt, maxUses, uses, apiId, planSlug, currency, minimumFee } = promotion
  if (at < startsAt) return 'not_started'
  if (endsAt !== null && at >= endsAt) return 'ended'
  if (maxUses !== null && uses >= maxUses) return 'used_up'
  if (apiId !== null && apiId !== plan.apiId) return 'other_api'
  if (planSlug !== null && planSlug !== plan.slug) return 'other_plan'
  if (currency !== null && currency !== plan.currency) return 'other_currency'
  if (minimumFee !== null && plan.flatFee < minimumFee) return 'fee_too_low'
  return null
}

function personalRefusal(promotion: Promotion, redeemer: Redeemer): PromotionRefusal | null {
  const { id, maxUsesPerUser, firstPurchase, stackable, type } = promotion
  const { uses, hasBought, others, isSubscribed } = redeemer
  const isForNew = type === 'free_trial' || type === 'tier_upgrade'
  if (isForNew && isSubscribed) return 'only_at_subscribe'
  if (others.some(({ promotionId }) => promotionId === id)) return 'already_redeemed'
  if (maxUsesPerUser !== null && uses >= maxUsesPerUser) return 'used_up_by_you'
  if (firstPurchase && hasBought) return 'not_first_purchase'
  if (others.length > 0 && !(stackable && others.every((other) => other.stackable)))
    return 'not_combinable'
  return null
}
