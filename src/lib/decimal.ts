/** An exact decimal: `units × 10^-scale`. Rates may be fractions of a cent; floats never appear. */
export interface Decimal {
  units: bigint
  scale: number
}

const POWERS = Array.from({ length: 31 }, (_, exponent) => 10n ** BigInt(exponent))

/** 10^scale, which is raised once and not for every price. */
export const powerOfTen = (scale: number): bigint => POWERS[scale] ?? 10n ** BigInt(scale)

const FORM = /^(-?)(\d{1,18})(?:\.(\d{1,12}))?$/

/** Reads `"0.0005"`; null when the text is no plain decimal of at most 12 places. */
export function parseDecimal(text: string): Decimal | null {
  const match = FORM.exec(text)
  if (!match) return null
  const [, sign, whole = '0', fraction = ''] = match
  const units = BigInt(whole + fraction)
  return { units: sign === '-' ? -units : units, scale: fraction.length }
}

/** `numerator / denominator` rounded half away from zero, the one rounding rule of Veil. */
export function divideRounded(numerator: bigint, denominator: bigint): bigint {
  if (denominator <= 0n) throw new RangeError('denominator must be positive')
  const magnitude = numerator < 0n ? -numerator : numerator
  const rounded = (magnitude * 2n + denominator) / (denominator * 2n)
  return numerator < 0n ? -rounded : rounded
}
