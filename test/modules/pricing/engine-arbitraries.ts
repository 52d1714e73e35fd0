import fc from 'fast-check'
import type { Discount } from '../../../src/modules/pricing/engine/adjustments'
import type { Charge, Tier } from '../../../src/modules/pricing/engine/charges'
import type { RatedPeriod, Rates } from '../../../src/modules/pricing/engine/period'

const decimal = fc
  .tuple(fc.bigInt(0n, 20_000n), fc.integer({ min: 0, max: 4 }))
  .map(([units, scale]) => ({ units, scale }))
const cents = fc.bigInt(0n, 5_000n)
export const units = fc.bigInt(0n, 1_000n)

/** Bounds that rise; the last tier has no end. */
const tiers: fc.Arbitrary<Tier[]> = fc
  .tuple(
    fc.uniqueArray(fc.bigInt(1n, 300n), { maxLength: 4 }),
    fc.array(fc.record({ rate: decimal, fee: fc.bigInt(0n, 50n) }), { minLength: 5, maxLength: 5 }),
  )
  .map(([bounds, prices]) => {
    const rising = [...bounds].sort((a, b) => Number(a - b))
    return [...rising, null].map((upTo, index) => ({ upTo, ...prices[index]! }))
  })

const freeUnits = fc.oneof(fc.constant(0n), fc.bigInt(0n, 100n))
export const graduated = fc.record({ model: fc.constant('graduated' as const), tiers, freeUnits })
const charge: fc.Arbitrary<Charge> = fc.oneof(
  fc.record({ model: fc.constant('per_unit' as const), rate: decimal, freeUnits }),
  graduated,
  fc.record({ model: fc.constant('volume' as const), tiers, freeUnits }),
  fc.record({
    ...{ model: fc.constant('package' as const), freeUnits },
    ...{ size: fc.bigInt(1n, 100n), price: fc.bigInt(0n, 500n) },
  }),
)

export const rates: fc.Arbitrary<Rates> = fc
  .record({
    flatFeeTiming: fc.constantFrom('advance' as const, 'arrears' as const),
    charges: fc.array(charge, { maxLength: 3 }),
    overageRate: fc.option(decimal),
    minimumFee: fc.option(cents),
    maximumFee: fc.option(cents),
  })
  .filter(({ minimumFee, maximumFee }) => (minimumFee ?? 0n) <= (maximumFee ?? 5_000n))

export const share = fc
  .tuple(fc.bigInt(1n, 1_000n), fc.bigInt(0n, 1_000n))
  .map(([part, more]) => ({ part, whole: part + more }))

export const period: fc.Arbitrary<RatedPeriod> = fc.record({
  flatFee: cents,
  quotaLimit: fc.option(fc.integer({ min: 0, max: 300 })),
  share,
  kind: fc.constant('regular' as const),
})

const promotion = fc.constantFrom('SPRING', 'WELCOME')
export const discounts: fc.Arbitrary<Discount[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('free_units' as const), promotion, units }),
    fc.record({
      ...{ kind: fc.constant('percentage' as const), promotion },
      percent: fc.bigInt(0n, 1000n).map((tenths) => ({ units: tenths, scale: 1 })),
    }),
    fc.record({ kind: fc.constant('fixed' as const), promotion, amount: cents }),
  ),
  { maxLength: 4 },
)
