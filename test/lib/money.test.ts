import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Decimal, divideRounded, parseDecimal } from '#lib/decimal'
import { priceOf } from '#lib/money'

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
