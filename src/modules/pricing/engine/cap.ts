import { type Charge, chargeInShare } from './charges'
import { totalOf } from './line'
import { advance, arrears, type RatedPeriod, type Rates } from './period'

const MOST_UNITS = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * The largest count of units such that neither it nor any smaller one costs more than the cap; pure.
 * Cost grows with units, except behind a bound of volume tiers, where it may fall: what is dear before
 * such a bound must be passed to get behind it, so there the count ends. Between the bounds by halving.
 *
 * @param cap minor units, ≥ 0
 * @returns 0 where even no unit fits (a flat fee above the cap), 2^53 − 1 where nothing ends it
 */
export function unitsWithin(rates: Rates, period: RatedPeriod, cap: bigint): bigint {
  const due = totalOf(advance(rates, period, []))
  const fits = (units: bigint) => due + totalOf(arrears(rates, period, units, [])) <= cap
  let first = 0n
  for (const last of [...fallsOf(rates, period), MOST_UNITS]) {
    if (!fits(first)) return first === 0n ? 0n : first - 1n
    if (!fits(last)) return lastThatFits(fits, first, last)
    first = last + 1n
  }
  return MOST_UNITS
}

/** The last of a stretch over which cost never falls. */
function lastThatFits(fits: (units: bigint) => boolean, fitting: bigint, tooMany: bigint): bigint {
  let [within, beyond] = [fitting, tooMany]
  while (beyond - within > 1n) {
    const middle = (within + beyond) / 2n
    if (fits(middle)) within = middle
    else beyond = middle
  }
  return within
}

/** The counts of units behind which cost may fall, in order. */
function fallsOf({ charges }: Rates, { share }: RatedPeriod): bigint[] {
  const bounds = charges.flatMap((charge) => boundsOf(chargeInShare(charge, share)))
  const falls = new Set(bounds.filter((bound) => bound < MOST_UNITS))
  return [...falls].sort((a, b) => (a < b ? -1 : 1))
}

const boundsOf = (charge: Charge): bigint[] =>
  charge.model === 'volume'
    ? charge.tiers.flatMap(({ upTo }) => (upTo === null ? [] : [charge.freeUnits + upTo]))
    : []
