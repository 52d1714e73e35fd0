import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDecimal } from '#lib/decimal'
import { unitsWithin } from '../../../src/modules/pricing/engine/cap'
import { type Charges, rate, totalOf } from '../../../src/modules/pricing/engine/charges'

const MOST = BigInt(Number.MAX_SAFE_INTEGER)
const charges = fc.record({
  flatFee: fc.bigInt(0n, 100_000n),
  quota: fc.option(
    fc.record({
      limit: fc.bigInt(1n, 1_000_000n),
      hard: fc.boolean(),
      overageRate: fc.option(
        fc
          .tuple(fc.nat({ max: 500 }), fc.nat({ max: 999_999 }))
          .map(([whole, part]) => parseDecimal(`${whole}.${String(part).padStart(6, '0')}`)),
      ),
    }),
  ),
}) satisfies fc.Arbitrary<Charges>

test('so many units fit the cap and one more does not', () => {
  const costOf = (of: Charges, units: bigint) => totalOf(rate(of, units))
  fc.assert(
    fc.property(charges, fc.bigInt(0n, 10_000_000n), (of, cap) => {
      const units = unitsWithin(of, cap)
      if (costOf(of, 0n) > cap) expect(units).toBe(0n)
      else expect(costOf(of, units)).toBeLessThanOrEqual(cap)
      if (units < MOST) expect(costOf(of, units + 1n)).toBeGreaterThan(cap)
    }),
  )
})

test('free units have no end', () => {
  expect(unitsWithin({ flatFee: 0n, quota: null }, 0n)).toBe(MOST)
})
