import type { Decimal } from '#lib/decimal'
import { priceOf, type Share } from '#lib/money'
import { adjustUsage, type Discount, discountFee, discountsInShare, fixedLeft } from './adjustments'
import { type Charge, chargeInShare, chargeLines } from './charges'
import { decimalText, type Line, totalOf } from './line'

/** What a plan charges for a whole cycle. Amounts in minor units of its currency. */
export interface Rates {
  flatFeeTiming: 'advance' | 'arrears'
  charges: readonly Charge[]
  /** For each unit beyond the period's quota. */
  overageRate: Decimal | null
  /** What usage costs at least and at most, after discounts; the flat fee comes on top. */
  minimumFee: bigint | null
  maximumFee: bigint | null
}

/** The part of a cycle that is rated: all of it, or what a plan change, a pause or an end left. */
export interface RatedPeriod {
  /** What the flat fee of this period comes to; its share is taken already. */
  flatFee: bigint
  /** Units that this period includes; null = no quota. */
  quotaLimit: number | null
  share: Share
  kind: 'trial' | 'regular'
}

/** The flat fee that is due when a period begins, with its discounts. */
export function advance(
  rates: Rates,
  period: Pick<RatedPeriod, 'flatFee'>,
  discounts: readonly Discount[],
): Line[] {
  return rates.flatFeeTiming === 'advance' ? feeLines(period.flatFee, discounts) : []
}

/**
 * What a period owes when it is over: the flat fee in arrears, then usage with its discounts, maximum
 * and minimum. What a fixed discount took off the fee in advance is not taken off again. Usage of a
 * trial is free.
 *
 * @param units billable units used in the period, ≥ 0
 */
export function arrears(
  rates: Rates,
  period: RatedPeriod,
  units: bigint,
  discounts: readonly Discount[],
): Line[] {
  if (period.kind === 'trial') return []
  const isLate = rates.flatFeeTiming === 'arrears'
  const inShare = discountsInShare(discounts, period.share)
  // A fee in advance was due while the period was still to be whole.
  const ofFee = isLate ? inShare : discounts
  const fee = feeLines(period.flatFee, ofFee)
  const taken = -totalOf(fee.filter(({ code }) => code === 'fixed'))
  const left = fixedLeft(inShare, ofFee, taken)
  return [...(isLate ? fee : []), ...usageLines(rates, period, units, left)]
}

function feeLines(fee: bigint, discounts: readonly Discount[]): Line[] {
  if (fee === 0n) return []
  const line = { code: 'flat_fee', description: 'Flat fee', quantity: 1n, amount: fee } as const
  return discountFee([{ ...line, explain: `1 × ${fee}` }], discounts)
}

function usageLines(
  rates: Rates,
  { quotaLimit, share }: RatedPeriod,
  units: bigint,
  discounts: readonly Discount[],
): Line[] {
  const { minimumFee, maximumFee, overageRate } = rates
  const charges = rates.charges.map((charge) => chargeInShare(charge, share))
  const linesOf = (count: bigint) => [
    ...charges.flatMap((charge) => chargeLines(charge, count)),
    ...overageLines(quotaLimit, overageRate, count),
  ]
  return adjustUsage(linesOf(units), {
    ...{ discounts, minimumFee, maximumFee, share, units },
    costOf: (count) => totalOf(linesOf(count)),
  })
}

function overageLines(quotaLimit: number | null, rate: Decimal | null, units: bigint): Line[] {
  if (quotaLimit === null || rate === null) return []
  const limit = BigInt(quotaLimit)
  if (units <= limit) return []
  const quantity = units - limit
  const explain = `(${units} − ${limit}) × ${decimalText(rate)}`
  const description = 'Units beyond the quota'
  return [{ code: 'overage', description, quantity, amount: priceOf(quantity, rate), explain }]
}
