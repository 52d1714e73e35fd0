import { type Decimal, divideRounded } from './decimal'

/** Quantity × rate (minor units per unit), rounded once, half away from zero. */
export function priceOf(quantity: bigint, rate: Decimal): bigint {
  return divideRounded(quantity * rate.units, 10n ** BigInt(rate.scale))
}
