import { parseDecimal } from '#lib/decimal'
import { invariant } from '#lib/errors'
import type { Discount } from './engine/adjustments'
import { unitsWithin } from './engine/cap'
import type * as engine from './engine/charges'
import { type Line, totalOf } from './engine/line'
import { advance, arrears, type RatedPeriod, type Rates } from './engine/period'
import type { Charge } from './plan-charges'
import type { Terms } from './repository'

/**
 * The flat fee that is due when a period begins, with its discounts; nothing where the plan charges it
 * in arrears.
 *
 * @param period its `flatFee` is what the fee of this very period comes to, in minor units
 */
export function advanceLines(
  plan: Terms,
  period: Pick<RatedPeriod, 'flatFee'>,
  discounts: readonly Discount[],
): Line[] {
  return advance(ratesOf(plan), period, discounts)
}

/** What a period owes when it is over: usage, a flat fee in arrears, minimum and maximum; pure. */
export function arrearsLines(
  plan: Terms,
  period: RatedPeriod,
  units: bigint,
  discounts: readonly Discount[],
): Line[] {
  return arrears(ratesOf(plan), period, units, discounts)
}

/** What a whole period costs, in advance and in arrears. */
export function periodLines(
  plan: Terms,
  period: RatedPeriod,
  units: bigint,
  discounts: readonly Discount[],
): Line[] {
  const rates = ratesOf(plan)
  return [...advance(rates, period, discounts), ...arrears(rates, period, units, discounts)]
}

/** A regular period that is a whole cycle on the terms of its plan. */
export const wholePeriod = ({ flatFee, quotaLimit }: Terms): RatedPeriod => ({
  flatFee,
  quotaLimit,
  share: { part: 1n, whole: 1n },
  kind: 'regular',
})

/**
 * How many units of a period a cap in minor units allows; see `unitsWithin`. Caps go by the plan's
 * prices: with a discount less is paid than the cap allows.
 */
export const unitsWithinCap = (
  terms: Terms,
  amount: number,
  period: RatedPeriod = wholePeriod(terms),
): number => Number(unitsWithin(ratesOf(terms), period, BigInt(amount)))

/** A cap with the units that it allows and what those cost. Amounts in minor units. */
export function capOf(terms: Terms, amount: number, period: RatedPeriod = wholePeriod(terms)) {
  const units = unitsWithinCap(terms, amount, period)
  const spend = costView(terms, units, period).total
  return { units, amount, spend, currency: terms.currency }
}

/** The cost of a period so far: the lines that an invoice would have now, before tax. */
export function costView(
  plan: Terms,
  units: number,
  period: RatedPeriod = wholePeriod(plan),
  discounts: readonly Discount[] = [],
) {
  const lines = periodLines(plan, period, BigInt(units), discounts)
  return {
    currency: plan.currency,
    total: Number(totalOf(lines)),
    lines: lines.map((line) => ({
      ...line,
      quantity: Number(line.quantity),
      amount: Number(line.amount),
    })),
  }
}

/** A version of a plan never changes, and is rated a hundred thousand times when a month closes. */
const known = new WeakMap<Terms, Rates>()

/** A plan's prices as the engine computes with them. */
function ratesOf(plan: Terms): Rates {
  const before = known.get(plan)
  if (before) return before
  const rates = toRates(plan)
  known.set(plan, rates)
  return rates
}

function toRates(plan: Terms): Rates {
  const { flatFeeTiming, overageRate, minimumFee, maximumFee } = plan
  return {
    ...{ flatFeeTiming, minimumFee, maximumFee, charges: plan.charges.map(toEngine) },
    overageRate: overageRate === null ? null : decimal(overageRate),
  }
}

function toEngine(charge: Charge): engine.Charge {
  const freeUnits = BigInt(charge.freeUnits)
  switch (charge.model) {
    case 'per_unit':
      return { model: charge.model, freeUnits, rate: decimal(charge.unitRate) }
    case 'package': {
      const { model, packageSize, packagePrice } = charge
      return { model, freeUnits, size: BigInt(packageSize), price: BigInt(packagePrice) }
    }
    default: {
      const tiers = charge.tiers.map(({ upTo, unitRate, flatFee }) => ({
        ...{ rate: decimal(unitRate), fee: BigInt(flatFee) },
        upTo: upTo === null ? null : BigInt(upTo),
      }))
      return { model: charge.model, freeUnits, tiers }
    }
  }
}

const decimal = (text: string) => invariant(parseDecimal(text), `${text} is a decimal`)
