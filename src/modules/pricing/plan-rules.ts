import type { OperationWeight, PLAN_TYPES } from '#db/schema/pricing'
import { parseOperationPattern } from '#lib/operation-pattern'
import type { Charge, PriceTier } from './plan-charges'

/** What must hold together in a plan, whether a template or a request says it. */
export interface PlanShape {
  type: (typeof PLAN_TYPES)[number]
  flatFee: number
  charges: readonly Charge[]
  quota: { hard: boolean; overageRate?: string | undefined } | null
  minimumFee: number | null
  maximumFee: number | null
  trial: unknown
  operationWeights: readonly OperationWeight[]
}

export interface Mistake {
  path: (string | number)[]
  message: string
}

type Rule = [broken: boolean, path: string, message: string]

/** All that does not hold together, each with its place. */
export function planMistakes(plan: PlanShape): Mistake[] {
  const broken = [...typeRules(plan), ...priceRules(plan)].filter(([isBroken]) => isBroken)
  return [
    ...broken.map(([, path, message]) => ({ path: path.split('.'), message })),
    ...plan.charges.flatMap((charge, index) =>
      'tiers' in charge ? tierMistakes(charge.tiers, ['charges', index, 'tiers']) : [],
    ),
    ...plan.operationWeights.flatMap(({ operation }, index) =>
      parseOperationPattern(operation) === null
        ? [{ path: ['operationWeights', index, 'operation'], message: PATTERN_RULE }]
        : [],
    ),
  ]
}

const PATTERN_RULE = 'must be a method or * and a path, such as POST /images/**'

/** What each type of plan has and has not. */
function typeRules({ type, flatFee, charges, quota, trial }: PlanShape): Rule[] {
  const hasFee = flatFee > 0
  const hasCharges = charges.length > 0
  const hasOverage = quota?.overageRate !== undefined
  const isFreeAtFirst = charges.every(({ freeUnits }) => freeUnits > 0)
  switch (type) {
    case 'free':
      return [
        [hasFee, 'flatFee', 'a free plan has no fee'],
        [hasCharges, 'charges', 'a free plan charges nothing'],
        [hasOverage, 'quota.overageRate', 'a free plan charges nothing, so it has no overage rate'],
        [trial !== null, 'trial', 'a free plan needs no trial'],
      ]
    case 'freemium':
      return [
        [hasFee, 'flatFee', 'a freemium plan begins free, so it has no fee'],
        [
          !hasCharges && !hasOverage,
          'charges',
          'a freemium plan needs a price for use beyond what is free',
        ],
        [!isFreeAtFirst, 'charges', 'each charge of a freemium plan needs free units'],
      ]
    case 'flat':
      return [
        [!hasFee, 'flatFee', 'a flat plan needs a fee above 0'],
        [hasCharges, 'charges', 'a flat plan has no charges for use: make it hybrid'],
      ]
    case 'usage_based':
      return [
        [hasFee, 'flatFee', 'a usage-based plan has no fee: make it hybrid'],
        [!hasCharges, 'charges', 'a usage-based plan needs a charge'],
      ]
    case 'hybrid':
      return [
        [!hasFee, 'flatFee', 'a hybrid plan needs a fee above 0'],
        [!hasCharges, 'charges', 'a hybrid plan needs a charge'],
      ]
  }
}

function priceRules({ charges, quota, minimumFee, maximumFee, type }: PlanShape): Rule[] {
  const hasOverage = quota?.overageRate !== undefined
  const hasPrice = charges.length > 0 || hasOverage
  return [
    [
      hasOverage && quota?.hard === true,
      'quota.overageRate',
      'no call passes beyond a hard quota, so it has no overage rate',
    ],
    [
      hasOverage && charges.length > 0,
      'quota.overageRate',
      'use is priced by `charges`, so the quota has no overage rate',
    ],
    [
      minimumFee !== null && !hasPrice,
      'minimumFee',
      'there is no price of use that it could bound',
    ],
    [
      maximumFee !== null && !hasPrice,
      'maximumFee',
      'there is no price of use that it could bound',
    ],
    [
      minimumFee !== null && type === 'freemium',
      'minimumFee',
      'a freemium plan begins free, so it has no minimum',
    ],
    [
      minimumFee !== null && maximumFee !== null && minimumFee > maximumFee,
      'maximumFee',
      'must not be below `minimumFee`',
    ],
  ]
}

function tierMistakes(tiers: readonly PriceTier[], path: Mistake['path']): Mistake[] {
  return tiers.flatMap(({ upTo }, index) => {
    const place = [...path, index, 'upTo']
    const isLast = index === tiers.length - 1
    if (isLast && upTo !== null)
      return [{ path: place, message: 'the last tier must have no end: leave it out' }]
    if (!isLast && upTo === null)
      return [{ path: place, message: 'only the last tier may have no end' }]
    const before = tiers[index - 1]?.upTo ?? 0
    if (upTo !== null && upTo <= before)
      return [{ path: place, message: `tiers overlap: it must be above ${before}` }]
    return []
  })
}
