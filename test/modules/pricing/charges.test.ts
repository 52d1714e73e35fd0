import { expect, test } from 'vitest'
import {
  type Charge,
  chargeInShare,
  chargeLines,
} from '../../../src/modules/pricing/engine/charges'
import { decimalText, totalOf } from '../../../src/modules/pricing/engine/line'
import { packages, perUnit, rate, tiered } from './engine'

const STEPS = tiered('graduated', [
  [10n, '5'],
  [20n, '3', 7n],
  [null, '0.5'],
])
const VOLUMES = tiered('volume', [
  [10n, '5'],
  [20n, '3', 7n],
  [null, '0.5'],
])

test.each<[string, Charge, bigint, bigint]>([
  ['per unit: 0', perUnit('0.5'), 0n, 0n],
  ['per unit: half a cent rounds up', perUnit('0.5'), 1n, 1n],
  ['per unit: 2', perUnit('0.5'), 2n, 1n],
  ['per unit: rounded once, not per unit', perUnit('0.4'), 3n, 1n],
  ['per unit, 100 free: at the bound', perUnit('0.5', 100n), 100n, 0n],
  ['per unit, 100 free: bound + 1', perUnit('0.5', 100n), 101n, 1n],
  ['per unit, 100 free: bound + 3', perUnit('0.5', 100n), 103n, 2n],
  ['per unit: twelve places, just under a half', perUnit('0.000000000001'), 499_999_999_999n, 0n],
  ['per unit: twelve places, a half', perUnit('0.000000000001'), 500_000_000_000n, 1n],
  ['per unit: beyond 2^53', perUnit('3'), 9_007_199_254_740_993n, 27_021_597_764_222_979n],
  ['per unit: a rate of 0', perUnit('0'), 1_000n, 0n],

  ['graduated: 0', STEPS, 0n, 0n],
  ['graduated: 1', STEPS, 1n, 5n],
  ['graduated: at the first bound', STEPS, 10n, 50n],
  ['graduated: bound + 1 = 50 + 3 + 7', STEPS, 11n, 60n],
  ['graduated: at the second bound = 50 + 30 + 7', STEPS, 20n, 87n],
  ['graduated: bound + 1, half a cent rounds up', STEPS, 21n, 88n],
  ['graduated: bound + 4', STEPS, 24n, 89n],

  ['volume: 0', VOLUMES, 0n, 0n],
  ['volume: 1', VOLUMES, 1n, 5n],
  ['volume: at the first bound', VOLUMES, 10n, 50n],
  ['volume: bound + 1 = 33 + 7, less than before', VOLUMES, 11n, 40n],
  ['volume: at the second bound = 60 + 7', VOLUMES, 20n, 67n],
  ['volume: bound + 1 = 10.5', VOLUMES, 21n, 11n],

  ['package: 0', packages(1000n, 500n), 0n, 0n],
  ['package: 1', packages(1000n, 500n), 1n, 500n],
  ['package: full', packages(1000n, 500n), 1000n, 500n],
  ['package: full + 1', packages(1000n, 500n), 1001n, 1000n],
  ['package of one', packages(1n, 3n), 7n, 21n],
  ['package, 250 free: at the bound', packages(1000n, 500n, 250n), 250n, 0n],
  ['package, 250 free: bound + 1', packages(1000n, 500n, 250n), 251n, 500n],
  ['package, 250 free: first full', packages(1000n, 500n, 250n), 1250n, 500n],
  ['package, 250 free: second begun', packages(1000n, 500n, 250n), 1251n, 1000n],

  ['free units count for no tier: 15 free, 10 paid', { ...STEPS, freeUnits: 15n }, 25n, 50n],
  ['free units count for no tier: 11 paid', { ...STEPS, freeUnits: 15n }, 26n, 60n],
  ['free units count for no volume: 10 paid', { ...VOLUMES, freeUnits: 15n }, 25n, 50n],
  ['free units count for no volume: 11 paid', { ...VOLUMES, freeUnits: 15n }, 26n, 40n],
])('%s', (_name, charge, units, total) => {
  expect(totalOf(chargeLines(charge, units))).toBe(total)
})

test('lines say how their amounts were made', () => {
  expect(chargeLines(perUnit('0.050'), 120n)).toEqual([
    {
      ...{ code: 'per_unit', description: 'Units used', quantity: 120n, amount: 6n },
      explain: '120 × 0.05',
    },
  ])
  expect(chargeLines(perUnit('0.05', 100n), 120n)).toMatchObject([
    { explain: '(120 − 100) × 0.05' },
  ])
  expect(chargeLines(STEPS, 21n)).toEqual([
    {
      ...{ code: 'graduated', description: 'Units 1 to 10', quantity: 10n, amount: 50n },
      explain: '10 × 5',
    },
    {
      ...{ code: 'graduated', description: 'Units 11 to 20', quantity: 10n, amount: 37n },
      explain: '(20 − 10) × 3 + 7',
    },
    {
      ...{ code: 'graduated', description: 'Units 21 to 21', quantity: 1n, amount: 1n },
      explain: '(21 − 20) × 0.5',
    },
  ])
  expect(chargeLines(VOLUMES, 15n)).toMatchObject([
    { description: 'Units at the rate for a volume of up to 20', explain: '15 × 3 + 7' },
  ])
  expect(chargeLines({ ...VOLUMES, freeUnits: 5n }, 30n)).toMatchObject([
    { description: 'Units at the rate for the highest volume', explain: '(30 − 5) × 0.5' },
  ])
  expect(chargeLines(packages(1000n, 500n, 250n), 1251n)).toEqual([
    {
      ...{ code: 'package', description: 'Packages of 1000 units', quantity: 2n, amount: 1000n },
      explain: '⌈(1251 − 250) ÷ 1000⌉ × 500',
    },
  ])
})

test('tiers that end are a defect, not a price', () => {
  expect(() => chargeLines(tiered('volume', [[10n, '5']]), 11n)).toThrow(RangeError)
})

test.each([
  ['100', '100'],
  ['100.000000000000', '100'],
  ['0.000000000001', '0.000000000001'],
  ['0.050', '0.05'],
  ['12.5', '12.5'],
])('the rate %s is written %s', (text, written) => {
  expect(decimalText(rate(text))).toBe(written)
})

test('a part of a cycle has its share of free units, bounds and fees of tiers', () => {
  const half = { part: 15n, whole: 30n }
  expect(chargeInShare(perUnit('0.5', 101n), half)).toEqual(perUnit('0.5', 51n))
  expect(chargeInShare(packages(1000n, 500n, 250n), half)).toEqual(packages(1000n, 500n, 125n))
  expect(chargeInShare(STEPS, half)).toEqual(
    tiered('graduated', [
      [5n, '5'],
      [10n, '3', 4n],
      [null, '0.5'],
    ]),
  )
  expect(chargeInShare(STEPS, { part: 30n, whole: 30n })).toBe(STEPS)
  // So small a part that the first bound comes to nothing: its tier is empty, the next one is not.
  const sliver = chargeInShare(STEPS, { part: 1n, whole: 30n })
  expect(sliver).toEqual(
    tiered('graduated', [
      [0n, '5'],
      [1n, '3'],
      [null, '0.5'],
    ]),
  )
  expect(totalOf(chargeLines(sliver, 2n))).toBe(4n)
})
