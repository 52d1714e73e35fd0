import type { PROMOTION_TYPES } from '#db/schema/promotions'
import { parseDecimal } from '#lib/decimal'
import type { Mistake } from './plan-rules'

/** A promotion as the file or an admin writes it. */
export interface PromotionShape {
  type: (typeof PROMOTION_TYPES)[number]
  /** Percent, minor units, units or days, by type; none for a tier upgrade. */
  value?: string | undefined
  description?: string | undefined
  currency?: string | undefined
  cycles?: number | undefined
  api?: string | undefined
  plan?: string | undefined
  upgradeTo?: string | undefined
  firstPurchase?: boolean | undefined
  minimumFee?: number | undefined
  maxUses?: number | undefined
  maxUsesPerUser?: number | undefined
  stackable?: boolean | undefined
  priority?: number | undefined
  startsAt?: string | undefined
  endsAt?: string | undefined
}

const LONGEST_TRIAL_DAYS = 365

/** All that does not hold together, each with its place. */
export function promotionMistakes(promotion: PromotionShape): Mistake[] {
  const { type, currency, minimumFee, upgradeTo, cycles, startsAt, endsAt } = promotion
  const isUpgrade = type === 'tier_upgrade'
  const rules: [boolean, string, string][] = [
    [!isValueOf(promotion), 'value', VALUE_RULES[type]],
    [
      isUpgrade && upgradeTo === undefined,
      'upgradeTo',
      'a tier upgrade needs the plan that it gives',
    ],
    [!isUpgrade && upgradeTo !== undefined, 'upgradeTo', 'only a tier upgrade gives a plan'],
    [
      currency === undefined && (type === 'fixed' || minimumFee !== undefined),
      'currency',
      'an amount needs a currency',
    ],
    [
      type === 'free_trial' && cycles !== undefined,
      'cycles',
      'a trial lasts for the days of `value`',
    ],
    [
      startsAt !== undefined && endsAt !== undefined && Date.parse(endsAt) <= Date.parse(startsAt),
      'endsAt',
      'must be after `startsAt`',
    ],
  ]
  return rules.filter(([broken]) => broken).map(([, path, message]) => ({ path: [path], message }))
}

const VALUE_RULES = {
  percentage: 'must be above 0 and at most 100 percent',
  fixed: 'must be a whole number of minor units',
  free_units: 'must be a whole number of units',
  free_trial: `must be a whole number of days, at most ${LONGEST_TRIAL_DAYS}`,
  tier_upgrade: 'a tier upgrade has no value',
} as const

function isValueOf({ type, value }: PromotionShape): boolean {
  if (type === 'tier_upgrade') return value === undefined
  const decimal = value === undefined ? null : parseDecimal(value)
  if (decimal === null || decimal.units <= 0n) return false
  const { units, scale } = decimal
  if (type === 'percentage') return units <= 100n * 10n ** BigInt(scale)
  if (scale > 0) return false
  return type !== 'free_trial' || units <= BigInt(LONGEST_TRIAL_DAYS)
}
