import { type Charges, rate, totalOf } from './charges'

const MOST_UNITS = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * The largest count of units whose cost does not pass the cap: pure, by halving, since cost never
 * falls as units grow.
 *
 * @param cap minor units, ≥ 0
 * @returns 0 where even no unit fits (a flat fee above the cap), 2^53 − 1 where nothing ends it
 */
export function unitsWithin(charges: Charges, cap: bigint): bigint {
  const fits = (units: bigint) => totalOf(rate(charges, units)) <= cap
  if (fits(MOST_UNITS)) return MOST_UNITS
  let within = 0n
  let beyond = MOST_UNITS
  while (beyond - within > 1n) {
    const middle = (within + beyond) / 2n
    if (fits(middle)) within = middle
    else beyond = middle
  }
  return within
}
