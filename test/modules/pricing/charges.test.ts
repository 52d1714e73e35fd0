import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDecimal } from '#lib/decimal'
import { type Charges, rate, totalOf } from '../../../src/modules/pricing/engine/charges'

const plan = (flatFee: bigint, limit?: bigint, overageRate?: string, hard = false): Charges => ({
  flatFee,
  quota:
    limit === undefined
      ? null
      : { limit, hard, overageRate: overageRate ? parseDecimal(overageRate) : null },
})

test.each<[string, Charges, bigint, bigint]>([
  ['free, unused', plan(0n), 0n, 0n],
  ['free, used', plan(0n), 1_000_000n, 0n],
  ['flat, unused', plan(2900n), 0n, 2900n],
  ['flat without quota', plan(2900n), 10n ** 12n, 2900n],
  ['soft: 0', plan(2900n, 100n, '0.5'), 0n, 2900n],
  ['soft: at the bound', plan(2900n, 100n, '0.5'), 100n, 2900n],
  ['soft: bound + 1, half a cent rounds up', plan(2900n, 100n, '0.5'), 101n, 2901n],
  ['soft: bound + 2', plan(2900n, 100n, '0.5'), 102n, 2901n],
  ['soft: bound + 3', plan(2900n, 100n, '0.5'), 103n, 2902n],
  ['soft: rounded once, not per call', plan(0n, 100n, '0.4'), 103n, 1n],
  ['soft without a rate is free', plan(2900n, 100n), 500n, 2900n],
  ['twelve places, just under a half', plan(0n, 1n, '0.000000000001'), 500_000_000_000n, 0n],
  ['twelve places, a half', plan(0n, 1n, '0.000000000001'), 500_000_000_001n, 1n],
  ['hard quota', plan(2900n, 100n, undefined, true), 100n, 2900n],
  ['beyond 2^53', plan(0n, 1n, '3'), 9_007_199_254_740_994n, 27_021_597_764_222_979n],
])('%s', (_name, charges, units, total) => {
  expect(totalOf(rate(charges, units))).toBe(total)
})

test('a line says how its amount was made, without idle zeros', () => {
  expect(rate(plan(2900n, 100_000n, '0.050000000000'), 120_000n)).toEqual([
    {
      ...{ code: 'flat_fee', description: 'Flat fee', quantity: 1n, amount: 2900n },
      explain: '1 × 2900',
    },
    {
      ...{ code: 'overage', description: 'Units beyond the quota', quantity: 20_000n },
      ...{ amount: 1000n, explain: '(120000 − 100000) × 0.05' },
    },
  ])
  const explain = (rateText: string) => rate(plan(0n, 1n, rateText), 2n)[0]?.explain
  expect(explain('100')).toBe('(2 − 1) × 100')
  expect(explain('100.000000000000')).toBe('(2 − 1) × 100')
  expect(explain('0.000000000001')).toBe('(2 − 1) × 0.000000000001')
})

const decimal = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 12n }), fc.integer({ min: 0, max: 12 }))
  .map(([units, scale]) => ({ units, scale }))
const charges = fc.record({
  flatFee: fc.bigInt({ min: 0n, max: 10n ** 12n }),
  quota: fc.option(
    fc.record({
      limit: fc.bigInt({ min: 1n, max: 10n ** 9n }),
      hard: fc.constant(false),
      overageRate: fc.option(decimal),
    }),
  ),
})
const units = fc.bigInt({ min: 0n, max: 10n ** 10n })

test('the total is the exact sum, never below the fee, and never falls with use', () => {
  fc.assert(
    fc.property(charges, units, units, (of, used, more) => {
      const total = totalOf(rate(of, used))
      expect(total >= of.flatFee).toBe(true)
      expect(totalOf(rate(of, used + more)) >= total).toBe(true)
      const beyond = of.quota && used > of.quota.limit ? used - of.quota.limit : 0n
      const price = of.quota?.overageRate ?? { units: 0n, scale: 0 }
      const denominator = 10n ** BigInt(price.scale)
      const error = (total - of.flatFee) * denominator - beyond * price.units
      expect((error < 0n ? -error : error) * 2n <= denominator).toBe(true)
    }),
  )
})
