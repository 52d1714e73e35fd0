import { withoutTrailingZeros } from './plan-charges'
import { withDefaults } from './plan-terms'
import type { Pricing } from './pricing-file'
import type { Plan } from './repository'

interface Quota {
  limit: number
  hard: boolean
  overageRate?: string | null | undefined
}

const quotaView = ({ limit, hard, overageRate }: Quota) => ({
  limit,
  hard,
  ...(overageRate ? { overageRate: withoutTrailingZeros(overageRate) } : {}),
})

const numberOf = (amount: bigint | null): number | null => (amount === null ? null : Number(amount))

export function planView(plan: Plan) {
  const { id, apiId, slug, version, name, type, status, currency, billingCycle } = plan
  const { quotaLimit: limit, quotaHard: hard, overageRate } = plan
  const { trialDays: days, trialUnits: units, trialCardRequired: cardRequired } = plan
  const { flatFeeTiming, charges, rateLimits, billableStatuses, operationWeights } = plan
  const { prorationMode, refundPolicy, rotateKeysAfterDays } = plan
  return {
    ...{ id, apiId, slug, version, name, type, status, currency, billingCycle },
    ...{ flatFee: Number(plan.flatFee), flatFeeTiming, charges },
    ...{ minimumFee: numberOf(plan.minimumFee), maximumFee: numberOf(plan.maximumFee) },
    trial: days === 0 ? null : { days, units, cardRequired },
    quota: limit === null ? null : quotaView({ limit, hard, overageRate }),
    ...{ rateLimits, billableStatuses, operationWeights },
    ...{ prorationMode, refundPolicy, rotateKeysAfterDays },
    createdAt: plan.createdAt.toISOString(),
  }
}

/** Templates with the operator's defaults filled in. */
export const templateViews = ({ defaults, planTemplates }: Pricing) =>
  Object.entries(planTemplates).map(([slug, template]) => ({
    slug,
    ...withDefaults(template, defaults),
    quota: template.quota && quotaView(template.quota),
  }))
