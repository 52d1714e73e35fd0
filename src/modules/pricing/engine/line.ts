import type { Decimal } from '#lib/decimal'

export const LINE_CODES = [
  ...(['flat_fee', 'overage', 'per_unit', 'graduated', 'volume', 'package'] as const),
  ...(['free_units', 'percentage', 'fixed', 'maximum', 'minimum'] as const),
] as const

/** One line of an invoice or a running cost; `explain` holds all that its amount was made from. */
export interface Line {
  code: (typeof LINE_CODES)[number]
  description: string
  quantity: bigint
  /** Minor units of the plan's currency; below 0 for what is taken off. */
  amount: bigint
  explain: string
}

export const totalOf = (lines: readonly Line[]): bigint =>
  lines.reduce((sum, { amount }) => sum + amount, 0n)

/** A decimal as people write it, without idle zeros. */
export function decimalText({ units, scale }: Decimal): string {
  if (scale === 0) return units.toString()
  const digits = units.toString().padStart(scale + 1, '0')
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`.replace(/\.?0+$/, '')
}
