import { describe, expect, test } from 'vitest'
import type { Discount } from '../../../src/modules/pricing/engine/adjustments'
import { totalOf } from '../../../src/modules/pricing/engine/line'
import { advance, arrears, type Rates } from '../../../src/modules/pricing/engine/period'
import { NOTHING, packages, perUnit, rate, tiered, WHOLE } from './engine'

const amounts = (lines: { code: string; amount: bigint }[]) =>
  lines.map(({ code, amount }) => `${code} ${amount}`)
const period = (flatFee: bigint, quotaLimit: number | null = null) => ({
  ...{ ...WHOLE, flatFee, quotaLimit },
})
const percent = (text: string): Discount => ({
  ...{ kind: 'percentage', promotion: `P${text}`, percent: rate(text) },
})
const fixed = (amount: bigint): Discount => ({ kind: 'fixed', promotion: `F${amount}`, amount })
const free = (units: bigint): Discount => ({ kind: 'free_units', promotion: `U${units}`, units })

describe('a flat fee', () => {
  const late: Rates = { ...NOTHING, flatFeeTiming: 'arrears' }

  test('is due in advance or in arrears, once', () => {
    expect(amounts(advance(NOTHING, period(2900n), []))).toEqual(['flat_fee 2900'])
    expect(arrears(NOTHING, period(2900n), 0n, [])).toEqual([])
    expect(advance(late, period(2900n), [])).toEqual([])
    expect(amounts(arrears(late, period(2900n), 0n, []))).toEqual(['flat_fee 2900'])
  })

  test('of nothing is no line', () => {
    expect(advance(NOTHING, period(0n), [percent('10')])).toEqual([])
  })

  test('says how it was made', () => {
    expect(advance(NOTHING, period(2900n), [percent('12.5'), fixed(10_000n)])).toEqual([
      {
        ...{ code: 'flat_fee', description: 'Flat fee', quantity: 1n, amount: 2900n },
        explain: '1 × 2900',
      },
      {
        ...{ code: 'percentage', description: 'Promotion P12.5: 12.5 %', quantity: 1n },
        ...{ amount: -363n, explain: '−2900 × 12.5 ÷ 100' },
      },
      {
        ...{ code: 'fixed', description: 'Promotion F10000', quantity: 1n, amount: -2537n },
        explain: '−min(10000, 2537)',
      },
    ])
  })
})

test.each<[string, bigint, bigint]>([
  ['at the bound', 100n, 0n],
  ['bound + 1, half a cent rounds up', 101n, 1n],
  ['bound + 2', 102n, 1n],
  ['bound + 3', 103n, 2n],
])('overage of a soft quota: %s', (_name, units, amount) => {
  const lines = arrears({ ...NOTHING, overageRate: rate('0.5') }, period(0n, 100), units, [])
  expect(totalOf(lines)).toBe(amount)
})

test('overage says how it was made; without a rate or a quota there is none', () => {
  const soft: Rates = { ...NOTHING, overageRate: rate('0.050000000000') }
  expect(arrears(soft, period(2900n, 100_000), 120_000n, [])).toEqual([
    {
      ...{ code: 'overage', description: 'Units beyond the quota', quantity: 20_000n },
      ...{ amount: 1000n, explain: '(120000 − 100000) × 0.05' },
    },
  ])
  expect(arrears(soft, period(0n), 120_000n, [])).toEqual([])
  expect(arrears(NOTHING, period(0n, 100_000), 120_000n, [])).toEqual([])
})

test('charges stand one after the other, each on all units', () => {
  const both: Rates = { ...NOTHING, charges: [perUnit('0.5'), packages(100n, 7n)] }
  expect(amounts(arrears(both, WHOLE, 101n, []))).toEqual(['per_unit 51', 'package 14'])
})

describe('the order of adjustments', () => {
  const rates: Rates = { ...NOTHING, charges: [perUnit('10')], minimumFee: 300n, maximumFee: 700n }
  const of = (units: bigint, ...discounts: Discount[]) =>
    amounts(arrears(rates, WHOLE, units, discounts))

  test('usage discount, percentage, fixed, maximum', () => {
    expect(of(120n, fixed(50n), percent('20'), free(10n))).toEqual([
      ...['per_unit 1200', 'free_units -100', 'percentage -220', 'fixed -50', 'maximum -130'],
    ])
  })

  test('then the minimum, which is owed whatever was taken off', () => {
    expect(of(50n, percent('50'))).toEqual(['per_unit 500', 'percentage -250', 'minimum 50'])
    expect(of(0n)).toEqual(['minimum 300'])
  })

  test.each([
    ['just the minimum', 30n, []],
    ['a unit less', 29n, ['minimum 10']],
    ['just the maximum', 70n, []],
    ['a unit more', 71n, ['maximum -10']],
  ])('bounds: %s', (_name, units, expected) => {
    expect(of(units).slice(1)).toEqual(expected)
  })

  test('percentages are taken each of what the one before left', () => {
    expect(of(60n, percent('10'), percent('50'))).toEqual([
      ...['per_unit 600', 'percentage -60', 'percentage -270', 'minimum 30'],
    ])
  })

  test('nothing is taken off where nothing is left, and no line is worth nothing', () => {
    const plain = { ...rates, minimumFee: null }
    const discounts = [free(1000n), percent('0.001'), percent('50'), fixed(5n)]
    expect(amounts(arrears(plain, WHOLE, 1n, discounts))).toEqual(['per_unit 10', 'free_units -10'])
    expect(amounts(arrears(plain, WHOLE, 1n, discounts.slice(1)))).toEqual([
      ...['per_unit 10', 'percentage -5', 'fixed -5'],
    ])
  })
})

test('free units never raise a price: with fewer units a volume may cost more', () => {
  const rates: Rates = {
    ...NOTHING,
    charges: [
      tiered('volume', [
        [10n, '5'],
        [null, '1'],
      ]),
    ],
  }
  expect(amounts(arrears(rates, WHOLE, 11n, [free(1n)]))).toEqual(['volume 11'])
  expect(arrears(rates, WHOLE, 11n, [free(10n)])).toMatchObject([
    { amount: 11n },
    { amount: -6n, quantity: 10n, explain: '5 − 11: the cost of 1 and of 11 units' },
  ])
})

describe('a fixed discount is worth its amount once in a period', () => {
  const hybrid: Rates = { ...NOTHING, charges: [perUnit('1')] }

  test('first off the fee in advance, the rest off usage', () => {
    expect(amounts(advance(hybrid, period(300n), [fixed(500n)]))).toEqual([
      ...['flat_fee 300', 'fixed -300'],
    ])
    expect(amounts(arrears(hybrid, period(300n), 1000n, [fixed(500n)]))).toEqual([
      ...['per_unit 1000', 'fixed -200'],
    ])
    expect(amounts(arrears(hybrid, period(700n), 1000n, [fixed(500n)]))).toEqual(['per_unit 1000'])
  })

  test('of two the first is used up first', () => {
    const two = [fixed(200n), fixed(500n)]
    expect(amounts(advance(hybrid, period(300n), two))).toEqual([
      ...['flat_fee 300', 'fixed -200', 'fixed -100'],
    ])
    expect(amounts(arrears(hybrid, period(300n), 1000n, two))).toEqual([
      ...['per_unit 1000', 'fixed -400'],
    ])
  })

  test('in a part of a cycle by its share, less what the fee had', () => {
    const half = { ...period(300n), share: { part: 1n, whole: 2n } }
    expect(amounts(arrears(hybrid, half, 1000n, [fixed(1000n)]))).toEqual([
      ...['per_unit 1000', 'fixed -200'],
    ])
    expect(amounts(arrears(hybrid, half, 1000n, [fixed(400n)]))).toEqual(['per_unit 1000'])
    const late: Rates = { ...hybrid, flatFeeTiming: 'arrears' }
    expect(amounts(arrears(late, half, 1000n, [fixed(1000n)]))).toEqual([
      ...['flat_fee 300', 'fixed -300', 'per_unit 1000', 'fixed -200'],
    ])
  })
})

test('a part of a cycle has its share of all that holds for the cycle', () => {
  const rates: Rates = {
    ...{ ...NOTHING, charges: [perUnit('1', 100n)], minimumFee: 31n, maximumFee: 310n },
  }
  const part = { ...WHOLE, share: { part: 10n, whole: 31n } }
  // 100 × 10/31 = 32.26 free units, a minimum of 10 and a maximum of 100.
  expect(arrears(rates, part, 32n, [])).toMatchObject([{ amount: 10n, explain: '31 × 10/31 − 0' }])
  expect(amounts(arrears(rates, part, 42n, []))).toEqual(['per_unit 10'])
  expect(amounts(arrears(rates, part, 133n, []))).toEqual(['per_unit 101', 'maximum -1'])
  // 31 × 10/31 = 10 units more.
  expect(amounts(arrears(rates, part, 62n, [free(31n)]))).toEqual(['per_unit 30', 'free_units -10'])
})

test('usage of a trial is free, whatever it is', () => {
  const rates: Rates = { ...NOTHING, charges: [perUnit('1')], minimumFee: 500n }
  expect(arrears(rates, { ...WHOLE, kind: 'trial' }, 1000n, [])).toEqual([])
})
