import { type Decimal, divideRounded, powerOfTen } from '#lib/decimal'
import { prorate, type Share } from '#lib/money'
import { decimalText, type Line, totalOf } from './line'

/** What a promotion takes off a period; `promotion` is its code, for people. */
export type Discount = { promotion: string } & (
  | { kind: 'free_units'; units: bigint }
  /** Of 100, 0 to 100. */
  | { kind: 'percentage'; percent: Decimal }
  /** Minor units of a whole cycle. */
  | { kind: 'fixed'; amount: bigint }
)

/** All that the price of usage is adjusted by. Discounts are in the order in which they apply. */
export interface Adjusting {
  discounts: readonly Discount[]
  /** The least and the most that the usage of a whole cycle costs, in minor units. */
  minimumFee: bigint | null
  maximumFee: bigint | null
  share: Share
  units: bigint
  /** What so many units cost before any adjustment. */
  costOf(units: bigint): bigint
}

type Adjustment<A> = (net: bigint, adjusting: A) => Line[]
type Discounting = Pick<Adjusting, 'discounts'>

/**
 * The order is part of every price. What is not used is not paid for, so free units come first;
 * percentages are taken of what is left, each of what the one before it left; fixed amounts come after
 * them and are worth their full value; the maximum holds for what remains to be paid; the minimum is
 * owed whatever was taken off before. Credits and tax follow on the invoice.
 */
const USAGE_ADJUSTMENTS: readonly Adjustment<Adjusting>[] = [
  freeUnits,
  percentages,
  fixedAmounts,
  maximum,
  minimum,
]

export const adjustUsage = (lines: readonly Line[], adjusting: Adjusting): Line[] =>
  adjust(lines, USAGE_ADJUSTMENTS, adjusting)

/** A fee has no units, and no bounds but itself. */
export const discountFee = (lines: readonly Line[], discounts: readonly Discount[]): Line[] =>
  adjust(lines, [percentages, fixedAmounts], { discounts })

function adjust<A>(
  lines: readonly Line[],
  adjustments: readonly Adjustment<A>[],
  adjusting: A,
): Line[] {
  const adjusted = [...lines]
  for (const adjustment of adjustments) adjusted.push(...adjustment(totalOf(adjusted), adjusting))
  return adjusted
}

/** Never raises a price: where fewer units cost more, as below the bound of a volume, nothing is taken off. */
function freeUnits(_net: bigint, { discounts, share, units, costOf }: Adjusting): Line[] {
  const lines: Line[] = []
  let left = units
  for (const discount of discounts) {
    if (discount.kind !== 'free_units') continue
    const free = least(prorate(discount.units, share), left)
    const [before, after] = [costOf(left), costOf(left - free)]
    left -= free
    if (after >= before) continue
    const description = `Promotion ${discount.promotion}: free units`
    lines.push({
      ...{ code: 'free_units', description, quantity: free, amount: after - before },
      explain: `${after} − ${before}: the cost of ${left} and of ${left + free} units`,
    })
  }
  return lines
}

function percentages(net: bigint, { discounts }: Discounting): Line[] {
  const lines: Line[] = []
  let left = net
  for (const discount of discounts) {
    if (discount.kind !== 'percentage' || left === 0n) continue
    const { units, scale } = discount.percent
    const amount = -divideRounded(left * units, 100n * powerOfTen(scale))
    const text = decimalText(discount.percent)
    const description = `Promotion ${discount.promotion}: ${text} %`
    const explain = `−${left} × ${text} ÷ 100`
    if (amount < 0n) lines.push({ code: 'percentage', description, quantity: 1n, amount, explain })
    left += amount
  }
  return lines
}

function fixedAmounts(net: bigint, { discounts }: Discounting): Line[] {
  const lines: Line[] = []
  let left = net
  for (const discount of discounts) {
    if (discount.kind !== 'fixed') continue
    const amount = -least(discount.amount, left)
    const description = `Promotion ${discount.promotion}`
    const explain = `−min(${discount.amount}, ${left})`
    if (amount < 0n) lines.push({ code: 'fixed', description, quantity: 1n, amount, explain })
    left += amount
  }
  return lines
}

function maximum(net: bigint, { maximumFee, share }: Adjusting): Line[] {
  if (maximumFee === null) return []
  const most = prorate(maximumFee, share)
  if (net <= most) return []
  return [boundLine('maximum', 'Usage beyond the maximum', { bound: maximumFee, most, net, share })]
}

function minimum(net: bigint, { minimumFee, share }: Adjusting): Line[] {
  if (minimumFee === null) return []
  const most = prorate(minimumFee, share)
  if (net >= most) return []
  return [boundLine('minimum', 'Up to the minimum', { bound: minimumFee, most, net, share })]
}

function boundLine(
  code: 'maximum' | 'minimum',
  description: string,
  of: { bound: bigint; most: bigint; net: bigint; share: Share },
): Line {
  const { part, whole } = of.share
  const bound = part === whole ? `${of.bound}` : `${of.bound} × ${part}/${whole}`
  const explain = `${bound} − ${of.net}`
  return { code, description, quantity: 1n, amount: of.most - of.net, explain }
}

/** The discounts of a part of a cycle: fixed amounts by its share; the others know none, or take it themselves. */
export const discountsInShare = (discounts: readonly Discount[], share: Share): Discount[] =>
  discounts.map((discount) =>
    discount.kind === 'fixed' ? { ...discount, amount: prorate(discount.amount, share) } : discount,
  )

/**
 * What is left of fixed amounts after the fee had them.
 *
 * @param discounts those of the period
 * @param ofFee the same as they were taken off the fee
 * @param taken what they took off the fee together, the first one first
 */
export function fixedLeft(
  discounts: readonly Discount[],
  ofFee: readonly Discount[],
  taken: bigint,
): Discount[] {
  let unexplained = taken
  return discounts.map((discount, index) => {
    const before = ofFee[index]
    if (discount.kind !== 'fixed' || before?.kind !== 'fixed') return discount
    const used = least(before.amount, unexplained)
    unexplained -= used
    return { ...discount, amount: discount.amount > used ? discount.amount - used : 0n }
  })
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
