import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Decimal, divideRounded, parseDecimal } from '#lib/decimal'
import { allocate, priceOf, prorate } from '#lib/money'

describe('parseDecimal', () => {
  test.each<[string, bigint, number]>([
    ['0', 0n, 0],
    ['7', 7n, 0],
    ['-7', -7n, 0],
    ['0.05', 5n, 2],
    ['10.50', 1050n, 2],
    ['-0.000000000001', -1n, 12],
    ['999999999999999999.999999999999', 999999999999999999999999999999n, 12],
    ['007.10', 710n, 2],
  ])('%s', (text, units, scale) => {
    expect(parseDecimal(text)).toEqual({ units, scale })
  })

  test.each([
    ...['', '-', '.', '1.', '.5', '+1', '1e3', '1,5', ' 1', '1 ', '1\n', '0x1', 'NaN', 'Infinity'],
    ...['--1', '1.2.3', '1.0000000000001', '1234567890123456789', '١'],
  ])('%j is no decimal', (text) => {
    expect(parseDecimal(text)).toBeNull()
  })
})

describe('divideRounded, half away from zero', () => {
  test.each<[bigint, bigint, bigint]>([
    [0n, 3n, 0n],
    [1n, 2n, 1n],
    [-1n, 2n, -1n],
    [3n, 2n, 2n],
    [-3n, 2n, -2n],
    [5n, 2n, 3n],
    [1n, 3n, 0n],
    [2n, 3n, 1n],
    [-2n, 3n, -1n],
    [49n, 100n, 0n],
    [50n, 100n, 1n],
    [-49n, 100n, 0n],
    [-50n, 100n, -1n],
    [7n, 1n, 7n],
  ])('%s / %s = %s', (numerator, denominator, expected) => {
    expect(divideRounded(numerator, denominator)).toBe(expected)
  })

  test.each([0n, -1n])('a denominator of %s is refused', (denominator) => {
    expect(() => divideRounded(1n, denominator)).toThrow(RangeError)
  })
})

const rate = fc.record({
  units: fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }),
  scale: fc.integer({ min: 0, max: 12 }),
})
const quantity = fc.bigInt({ min: 0n, max: 10n ** 18n })
const magnitude = (value: bigint) => (value < 0n ? -value : value)

/** The exact rational is `quantity × units / 10^scale`; all comparisons are made on it, unrounded. */
const exact = (count: bigint, { units, scale }: Decimal) => ({
  numerator: count * units,
  denominator: 10n ** BigInt(scale),
})

describe('priceOf', () => {
  test.each<[bigint, string, bigint]>([
    [0n, '123.456', 0n],
    [1n, '0.000000000001', 0n],
    [500_000_000_000n, '0.000000000001', 1n],
    [499_999_999_999n, '0.000000000001', 0n],
    [10n, '0.05', 1n],
    [9n, '0.05', 0n],
    [20_000n, '0.05', 1000n],
    [3n, '-0.5', -2n],
    [9_007_199_254_740_993n, '1', 9_007_199_254_740_993n],
  ])('%s × %s = %s', (count, text, expected) => {
    expect(priceOf(count, parseDecimal(text)!)).toBe(expected)
  })

  test('is never further than half a unit from the exact product, and a tie goes outwards', () => {
    fc.assert(
      fc.property(quantity, rate, (count, price) => {
        const { numerator, denominator } = exact(count, price)
        const error = priceOf(count, price) * denominator - numerator
        expect(magnitude(error) * 2n <= denominator).toBe(true)
        if (magnitude(error) * 2n === denominator) expect(error > 0n).toBe(numerator > 0n)
      }),
    )
  })

  test('takes a rate of any number of places', () => {
    expect(priceOf(5n * 10n ** 39n, { units: 1n, scale: 40 })).toBe(1n)
    expect(priceOf(5n * 10n ** 39n - 1n, { units: 1n, scale: 40 })).toBe(0n)
  })

  test('is odd: a credit takes back what the charge was', () => {
    fc.assert(
      fc.property(quantity, rate, (count, { units, scale }) => {
        expect(priceOf(count, { units: -units, scale })).toBe(-priceOf(count, { units, scale }))
      }),
    )
  })

  test('never falls when the quantity grows', () => {
    fc.assert(
      fc.property(quantity, quantity, rate, (one, more, { units, scale }) => {
        const price = { units: magnitude(units), scale }
        expect(priceOf(one + more, price) >= priceOf(one, price)).toBe(true)
      }),
    )
  })

  test('does not depend on how the rate is written', () => {
    fc.assert(
      fc.property(quantity, rate, (count, { units, scale }) => {
        const longer = { units: units * 1000n, scale: scale + 3 }
        expect(priceOf(count, longer)).toBe(priceOf(count, { units, scale }))
      }),
    )
  })
})

describe('prorate', () => {
  test.each<[bigint, bigint, bigint, bigint]>([
    [2900n, 0n, 31n, 0n],
    [2900n, 31n, 31n, 2900n],
    [2900n, 15n, 31n, 1403n], // 1403.2258…
    [2900n, 16n, 31n, 1497n], // 1496.7741…
    [1n, 1n, 2n, 1n],
    [-1n, 1n, 2n, -1n],
    [1n, 1n, 3n, 0n],
    [-2900n, 16n, 31n, -1497n],
    [0n, 1n, 3n, 0n],
  ])('%s × %s/%s = %s', (amount, part, whole, expected) => {
    expect(prorate(amount, { part, whole })).toBe(expected)
  })

  test('is at most half a unit from the exact share', () => {
    fc.assert(
      fc.property(
        amount,
        fc.bigInt(0n, 10n ** 12n),
        fc.bigInt(1n, 10n ** 12n),
        (of, part, more) => {
          const whole = part + more
          const error = prorate(of, { part, whole }) * whole - of * part
          expect(magnitude(error) * 2n <= whole).toBe(true)
        },
      ),
    )
  })
})

const amount = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n })

describe('allocate', () => {
  test.each<[bigint, bigint[], bigint[]]>([
    [0n, [1n, 2n], [0n, 0n]],
    [0n, [], []],
    [0n, [0n], [0n]],
    [100n, [7n], [100n]],
    [100n, [1n, 1n, 1n], [34n, 33n, 33n]],
    [101n, [1n, 1n, 1n], [34n, 34n, 33n]],
    [-100n, [1n, 1n, 1n], [-34n, -33n, -33n]],
    // Exactly 1.9, 1.9 and 15.2: two are left, and 0.9 is more than 0.2.
    [19n, [1n, 1n, 8n], [2n, 2n, 15n]],
    [10n, [0n, 5n, 0n, 5n], [0n, 5n, 0n, 5n]],
    // A price of 30 with a discount of 10: exactly 15 and −5.
    [10n, [30n, -10n], [15n, -5n]],
    // Exactly 10.5 and −3.5: both are rounded down, the one left goes to the first.
    [7n, [30n, -10n], [11n, -4n]],
    [10n, [-30n, 10n], [15n, -5n]],
    [1n, [1n, 2n, 3n], [0n, 0n, 1n]],
  ])('%s by [%s] is [%s]', (total, weights, expected) => {
    expect(allocate(total, weights)).toEqual(expected)
  })

  test('of something by nothing is refused', () => {
    expect(() => allocate(1n, [])).toThrow(RangeError)
    expect(() => allocate(-1n, [0n, 0n])).toThrow(RangeError)
  })

  const weights = fc.array(fc.bigInt(-1_000_000n, 1_000_000n), { minLength: 1, maxLength: 12 })
  const sumOf = (parts: readonly bigint[]) => parts.reduce((sum, part) => sum + part, 0n)

  test('the parts sum to the whole, and none is a unit or more from its exact share', () => {
    fc.assert(
      fc.property(amount, weights, (total, by) => {
        const whole = sumOf(by)
        fc.pre(whole !== 0n)
        const parts = allocate(total, by)
        expect(sumOf(parts)).toBe(total)
        parts.forEach((part, index) => {
          const error = part * whole - total * (by[index] ?? 0n)
          expect(magnitude(error) < magnitude(whole)).toBe(true)
        })
        expect(allocate(-total, by)).toEqual(parts.map((part) => -part))
      }),
    )
  })

  test('a fee split over the parts of its period sums to the fee', () => {
    fc.assert(
      fc.property(amount, fc.array(fc.bigInt(1n, 10n ** 10n), { minLength: 1 }), (fee, parts) => {
        expect(sumOf(allocate(fee, parts))).toBe(fee)
      }),
    )
  })
})
