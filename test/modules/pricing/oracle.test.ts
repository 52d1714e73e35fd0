import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Discount } from '../../../src/modules/pricing/engine/adjustments'
import { type Charge, chargeLines, type Tier } from '../../../src/modules/pricing/engine/charges'
import { totalOf } from '../../../src/modules/pricing/engine/line'
import {
  advance,
  arrears,
  type RatedPeriod,
  type Rates,
} from '../../../src/modules/pricing/engine/period'
import { discounts, graduated, period, rates, units } from './engine-arbitraries'

/**
 * The same prices by another way: exact fractions, rounded by comparing with the halves, units counted
 * one at a time, no line and no rule shared with the engine.
 */
interface Fraction {
  over: bigint
  under: bigint
}

const fraction = (over: bigint, under = 1n): Fraction => ({ over, under })
const times = (a: Fraction, b: Fraction) => fraction(a.over * b.over, a.under * b.under)
const plus = (a: Fraction, b: Fraction) =>
  fraction(a.over * b.under + b.over * a.under, a.under * b.under)
const decimal = ({ units, scale }: { units: bigint; scale: number }) =>
  fraction(units, 10n ** BigInt(scale))

/** The nearest whole number of what is not below 0; of two as near the larger. */
function nearest({ over, under }: Fraction): bigint {
  let below = over / under
  // Twice the distance to the next whole number is at most one.
  if (2n * ((below + 1n) * under - over) <= under) below++
  return below
}

/** Where the tier of a unit is, by looking at one after the other. */
const tierOf = (tiers: readonly Tier[], unit: bigint) =>
  tiers.findIndex(({ upTo }) => upTo === null || unit <= upTo)

function costOfCharge(charge: Charge, used: bigint, share: Fraction): bigint {
  const part = (whole: bigint) => nearest(times(fraction(whole), share))
  const paid = used - part(charge.freeUnits)
  if (paid <= 0n) return 0n
  switch (charge.model) {
    case 'per_unit':
      return nearest(times(fraction(paid), decimal(charge.rate)))
    case 'package': {
      let packages = 0n
      for (let covered = 0n; covered < paid; covered += charge.size) packages++
      return packages * charge.price
    }
  }
  const tiers = charge.tiers.map((tier) => ({
    ...{ rate: tier.rate, fee: part(tier.fee) },
    upTo: tier.upTo === null ? null : part(tier.upTo),
  }))
  if (charge.model === 'volume') {
    const { rate, fee } = tiers[tierOf(tiers, paid)]!
    return nearest(times(fraction(paid), decimal(rate))) + fee
  }
  const exact = tiers.map(() => fraction(0n))
  const reached = new Set<number>()
  for (let unit = 1n; unit <= paid; unit++) {
    const index = tierOf(tiers, unit)
    exact[index] = plus(exact[index]!, decimal(tiers[index]!.rate))
    // Denominators stay small enough to be added a thousand times.
    exact[index] = reduced(exact[index])
    reached.add(index)
  }
  return tiers.reduce(
    (sum, { fee }, index) => sum + nearest(exact[index]!) + (reached.has(index) ? fee : 0n),
    0n,
  )
}

function reduced({ over, under }: Fraction): Fraction {
  let [a, b] = [over, under]
  while (b !== 0n) [a, b] = [b, a % b]
  return fraction(over / a, under / a)
}

const smaller = (a: bigint, b: bigint) => (a < b ? a : b)

interface Expected {
  advance: bigint
  arrears: bigint
}

function expectedOf(of: Rates, within: RatedPeriod, used: bigint, off: Discount[]): Expected {
  const share = fraction(within.share.part, within.share.whole)
  const part = (whole: bigint) => nearest(times(fraction(whole), share))
  const isLate = of.flatFeeTiming === 'arrears'
  const purses = off.map((discount) => (discount.kind === 'fixed' ? discount.amount : 0n))
  const own = purses.map((amount) => (isLate ? part(amount) : amount))

  const lessPercent = (price: bigint) =>
    off.reduce((left, discount) => {
      if (discount.kind !== 'percentage') return left
      const percent = decimal(discount.percent)
      return left - nearest(times(fraction(left), times(percent, fraction(1n, 100n))))
    }, price)

  let fee = lessPercent(within.flatFee)
  const spent = own.map((purse) => {
    const taken = smaller(purse, fee)
    fee -= taken
    return taken
  })

  const rated = (count: bigint) => {
    const usage = of.charges.reduce((sum, charge) => sum + costOfCharge(charge, count, share), 0n)
    const limit = within.quotaLimit === null ? null : BigInt(within.quotaLimit)
    if (limit === null || of.overageRate === null || count <= limit) return usage
    return usage + nearest(times(fraction(count - limit), decimal(of.overageRate)))
  }
  let usage = rated(used)
  let left = used
  for (const discount of off) {
    if (discount.kind !== 'free_units') continue
    const before = rated(left)
    left -= smaller(part(discount.units), left)
    const after = rated(left)
    if (after < before) usage -= before - after
  }
  usage = lessPercent(usage)
  purses.forEach((purse, index) => {
    const rest = part(purse) - spent[index]!
    if (rest > 0n) usage -= smaller(rest, usage)
  })
  if (of.maximumFee !== null) usage = smaller(usage, part(of.maximumFee))
  if (of.minimumFee !== null && usage < part(of.minimumFee)) usage = part(of.minimumFee)
  return { advance: isLate ? 0n : fee, arrears: isLate ? fee + usage : usage }
}

test('every price is what exact fractions make of it', () => {
  fc.assert(
    fc.property(rates, period, units, discounts, (of, within, used, off) => {
      expect({
        advance: totalOf(advance(of, within, off)),
        arrears: totalOf(arrears(of, within, used, off)),
      }).toEqual(expectedOf(of, within, used, off))
    }),
    { numRuns: 500 },
  )
})

test('no discount takes more than there is, and none makes a period dearer', () => {
  fc.assert(
    fc.property(rates, period, units, discounts, (of, within, used, off) => {
      const inAdvance = totalOf(advance(of, within, off))
      const after = totalOf(arrears(of, within, used, off))
      expect(inAdvance).toBeGreaterThanOrEqual(0n)
      expect(after).toBeGreaterThanOrEqual(0n)
      expect(inAdvance).toBeLessThanOrEqual(totalOf(advance(of, within, [])))
      expect(after).toBeLessThanOrEqual(totalOf(arrears(of, within, used, [])))
    }),
  )
})

test('graduated is the sum of its tiers, each with its own units', () => {
  fc.assert(
    fc.property(graduated, units, (charge, used) => {
      const lines = chargeLines(charge, used)
      const paid = used > charge.freeUnits ? used - charge.freeUnits : 0n
      expect(lines.reduce((sum, { quantity }) => sum + quantity, 0n)).toBe(paid)
      expect(totalOf(lines)).toBe(costOfCharge(charge, used, fraction(1n)))
      // A tier more costs what it costs alone: those before it do not change.
      const shorter = chargeLines(charge, used > 0n ? used - 1n : 0n)
      expect(lines.slice(0, shorter.length - 1)).toEqual(shorter.slice(0, -1))
    }),
  )
})

test('without volume tiers a period never costs less with more units', () => {
  fc.assert(
    fc.property(rates, period, units, units, (of, within, used, more) => {
      fc.pre(of.charges.every(({ model }) => model !== 'volume'))
      const costOf = (count: bigint) => totalOf(arrears(of, within, count, []))
      expect(costOf(used + more)).toBeGreaterThanOrEqual(costOf(used))
    }),
  )
})

test('a price does not depend on how often it is computed, nor on what was computed before', () => {
  fc.assert(
    fc.property(rates, period, units, discounts, (of, within, used, off) => {
      expect(arrears(of, within, used, off)).toEqual(arrears(of, within, used, off))
    }),
  )
})
