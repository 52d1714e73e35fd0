import { withoutTrailingZeros } from './plan-charges'
import type { Promotion } from './promotion-conditions'

/** What anyone may know of a promotion whose code they have. */
export const discountView = ({ code, type, value, currency, cycles, description }: Promotion) => ({
  ...{ code, type, currency, cycles, description },
  value: type === 'tier_upgrade' ? null : withoutTrailingZeros(value),
})

/** What admins see. */
export function promotionView(promotion: Promotion) {
  const { id, source, apiId, planSlug, upgradeTo, firstPurchase, minimumFee } = promotion
  const { maxUses, maxUsesPerUser, uses, stackable, priority, startsAt, endsAt } = promotion
  return {
    ...{ id, source, ...discountView(promotion), apiId, plan: planSlug, upgradeTo },
    ...{ firstPurchase, minimumFee: minimumFee === null ? null : Number(minimumFee) },
    ...{ maxUses, maxUsesPerUser, uses, stackable, priority },
    startsAt: startsAt.toISOString(),
    endsAt: endsAt?.toISOString() ?? null,
    createdAt: promotion.createdAt.toISOString(),
  }
}
