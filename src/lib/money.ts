import { type Decimal, divideRounded, powerOfTen } from './decimal'

/** Part of a whole, as an exact fraction: `0 ≤ part ≤ whole`, `whole > 0`. */
export interface Share {
  part: bigint
  whole: bigint
}

/** Quantity × rate (minor units per unit), rounded once, half away from zero. */
export function priceOf(quantity: bigint, rate: Decimal): bigint {
  return divideRounded(quantity * rate.units, powerOfTen(rate.scale))
}

/** What a share of an amount (or of a count) comes to, rounded once, half away from zero. */
export function prorate(amount: bigint, { part, whole }: Share): bigint {
  return divideRounded(amount * part, whole)
}

/**
 * Splits a total by weights, so that the parts sum to it: each gets what its weight comes to, rounded
 * down, and what is left goes out one by one to the largest remainders, ties by position. A credit is
 * split as the charge that it takes back.
 *
 * @param weights may be below 0, as a discount beside prices is; their sum may not be 0
 */
export function allocate(total: bigint, weights: readonly bigint[]): bigint[] {
  if (total < 0n) return allocate(-total, weights).map((part) => -part)
  if (total === 0n) return weights.map(() => 0n)
  const sum = weights.reduce((before, weight) => before + weight, 0n)
  if (sum === 0n) throw new RangeError('weights that sum to 0 say nothing about a split')
  const whole = sum < 0n ? -sum : sum
  const parts = weights.map((weight, position) => {
    const exact = total * (sum < 0n ? -weight : weight)
    const remainder = ((exact % whole) + whole) % whole
    return { position, remainder, amount: (exact - remainder) / whole }
  })
  let left = parts.reduce((rest, { amount }) => rest - amount, total)
  // The sort is stable: equal remainders stay in the order of their positions.
  for (const part of parts.toSorted(
    (a, b) => Number(b.remainder > a.remainder) - Number(b.remainder < a.remainder),
  )) {
    if (left === 0n) break
    part.amount++
    left--
  }
  return parts.map(({ amount }) => amount)
}
