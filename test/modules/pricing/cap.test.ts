import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unitsWithin } from '../../../src/modules/pricing/engine/cap'
import { totalOf } from '../../../src/modules/pricing/engine/line'
import { advance, arrears, type RatedPeriod } from '../../../src/modules/pricing/engine/period'
import { NOTHING, perUnit, tiered, WHOLE } from './engine'
import { period, rates } from './engine-arbitraries'

const MOST = BigInt(Number.MAX_SAFE_INTEGER)

test('no count up to it passes the cap, and one more does', () => {
  fc.assert(
    fc.property(rates, period, fc.bigInt(0n, 20_000n), (of, within, cap) => {
      const costOf = (units: bigint) =>
        totalOf([...advance(of, within, []), ...arrears(of, within, units, [])])
      const units = unitsWithin(of, within, cap)
      if (costOf(0n) > cap) expect(units).toBe(0n)
      else expect(costOf(units)).toBeLessThanOrEqual(cap)
      if (units < MOST) expect(costOf(costOf(0n) > cap ? 0n : units + 1n)).toBeGreaterThan(cap)
      for (let fewer = 0n; fewer < units && fewer < 300n; fewer++)
        expect(costOf(fewer)).toBeLessThanOrEqual(cap)
    }),
  )
})

test.each<[string, bigint, bigint]>([
  ['what is dear before a bound keeps from what is cheap behind it', 49n, 9n],
  ['the cap just at the bound opens what is behind it', 50n, 50n],
  ['and so far that the next bound is passed', 100n, 100n],
  ['behind the last bound it costs nothing more', 101n, MOST],
])('volume: %s', (_name, cap, units) => {
  // 5 each up to 10, 1 each up to 100, then 101 for as many as one likes.
  const volume = tiered('volume', [
    [10n, '5'],
    [100n, '1'],
    [null, '0', 101n],
  ])
  expect(unitsWithin({ ...NOTHING, charges: [volume] }, WHOLE, cap)).toBe(units)
})

test('a bound that no count reaches is none', () => {
  const volume = tiered(
    'volume',
    [
      [MOST, '0'],
      [null, '1'],
    ],
    10n,
  )
  expect(unitsWithin({ ...NOTHING, charges: [volume] }, WHOLE, 0n)).toBe(MOST)
})

test('free units have no end, a fee above the cap has none', () => {
  expect(unitsWithin(NOTHING, WHOLE, 0n)).toBe(MOST)
  const dear: RatedPeriod = { ...WHOLE, flatFee: 500n }
  expect(unitsWithin(NOTHING, dear, 499n)).toBe(0n)
  expect(unitsWithin(NOTHING, dear, 500n)).toBe(MOST)
})

test('a minimum above the cap leaves no unit, a maximum below it leaves all', () => {
  const bounded = { ...NOTHING, charges: [perUnit('1')], minimumFee: 100n, maximumFee: 200n }
  expect(unitsWithin(bounded, WHOLE, 99n)).toBe(0n)
  expect(unitsWithin(bounded, WHOLE, 100n)).toBe(100n)
  expect(unitsWithin(bounded, WHOLE, 199n)).toBe(199n)
  expect(unitsWithin(bounded, WHOLE, 200n)).toBe(MOST)
})
