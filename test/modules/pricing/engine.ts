import { parseDecimal } from '#lib/decimal'
import type { Charge } from '../../../src/modules/pricing/engine/charges'
import type { RatedPeriod, Rates } from '../../../src/modules/pricing/engine/period'

export const rate = (text: string) => parseDecimal(text)!

export const NOTHING: Rates = {
  ...{ flatFeeTiming: 'advance', charges: [], overageRate: null },
  ...{ minimumFee: null, maximumFee: null },
}

export const WHOLE: RatedPeriod = {
  ...{ flatFee: 0n, quotaLimit: null, share: { part: 1n, whole: 1n }, kind: 'regular' },
}

export const perUnit = (text: string, freeUnits = 0n): Charge => ({
  ...{ model: 'per_unit', rate: rate(text), freeUnits },
})

type TierText = [upTo: bigint | null, rate: string, fee?: bigint]

export const tiered = (
  model: 'graduated' | 'volume',
  tiers: TierText[],
  freeUnits = 0n,
): Charge => ({
  ...{ model, freeUnits },
  tiers: tiers.map(([upTo, text, fee = 0n]) => ({ upTo, rate: rate(text), fee })),
})

export const packages = (size: bigint, price: bigint, freeUnits = 0n): Charge => ({
  ...{ model: 'package', size, price, freeUnits },
})
