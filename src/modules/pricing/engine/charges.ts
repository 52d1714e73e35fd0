import type { Decimal } from '#lib/decimal'
import { priceOf } from '#lib/money'

/** What a plan charges for one period. Amounts in minor units of the plan's currency. */
export interface Charges {
  flatFee: bigint
  quota: { limit: bigint; hard: boolean; overageRate: Decimal | null } | null
}

/** One line of an invoice or a running cost; `explain` holds all that its amount was made from. */
export interface Line {
  code: 'flat_fee' | 'overage'
  description: string
  quantity: bigint
  amount: bigint
  explain: string
}

const rateText = ({ units, scale }: Decimal): string => {
  if (scale === 0) return units.toString()
  const digits = units.toString().padStart(scale + 1, '0')
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`.replace(/\.?0+$/, '')
}

function flatFeeLine({ flatFee }: Charges): Line[] {
  if (flatFee === 0n) return []
  const explain = `1 × ${flatFee}`
  return [{ code: 'flat_fee', description: 'Flat fee', quantity: 1n, amount: flatFee, explain }]
}

function overageLine({ quota }: Charges, units: bigint): Line[] {
  if (!quota?.overageRate || units <= quota.limit) return []
  const quantity = units - quota.limit
  return [
    {
      code: 'overage',
      description: 'Units beyond the quota',
      quantity,
      amount: priceOf(quantity, quota.overageRate),
      explain: `(${units} − ${quota.limit}) × ${rateText(quota.overageRate)}`,
    },
  ]
}

/**
 * The lines of one billing period: pure, in the order in which they are shown. Each amount is
 * rounded once, where its line is born.
 *
 * @param units billable units used in the period, ≥ 0
 */
export function rate(charges: Charges, units: bigint): Line[] {
  return [...flatFeeLine(charges), ...overageLine(charges, units)]
}

export const totalOf = (lines: Line[]): bigint =>
  lines.reduce((sum, { amount }) => sum + amount, 0n)
