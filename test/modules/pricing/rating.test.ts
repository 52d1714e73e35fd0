import { expect, test } from 'vitest'
import {
  advanceLines,
  arrearsLines,
  capOf,
  costView,
  periodLines,
  type Terms,
  totalOf,
  unitsWithinCap,
  wholePeriod,
} from '#modules/pricing'

const HYBRID: Terms = {
  ...{ currency: 'EUR', flatFee: 2900n, flatFeeTiming: 'advance', minimumFee: null },
  ...{ quotaLimit: null, quotaHard: true, overageRate: null, maximumFee: null },
  charges: [
    {
      ...{ model: 'graduated', freeUnits: 1000 },
      tiers: [
        { upTo: 10_000, unitRate: '0.1', flatFee: 0 },
        { upTo: null, unitRate: '0.05', flatFee: 100 },
      ],
    },
    { model: 'package', freeUnits: 0, packageSize: 5000, packagePrice: 25 },
    { model: 'per_unit', freeUnits: 11_000, unitRate: '0.01' },
  ],
}

test('a period is what is due in advance and what is due afterwards', () => {
  const period = wholePeriod(HYBRID)
  const [before, after] = [
    advanceLines(HYBRID, period, []),
    arrearsLines(HYBRID, period, 12_000n, []),
  ]
  expect(before.map(({ amount }) => amount)).toEqual([2900n])
  // 10,000 × 0.1, 1,000 × 0.05 + 100, 3 packages of 25, 1,000 × 0.01.
  expect(after.map(({ amount }) => amount)).toEqual([1000n, 150n, 75n, 10n])
  expect(periodLines(HYBRID, period, 12_000n, [])).toEqual([...before, ...after])
  expect(totalOf([...before, ...after])).toBe(4135n)
  expect(costView(HYBRID, 12_000)).toMatchObject({ currency: 'EUR', total: 4135 })
})

test('a part of a period has its own fee, quota and share', () => {
  const soft: Terms = { ...HYBRID, charges: [], quotaLimit: 1000, overageRate: '0.500000000000' }
  const half = { ...wholePeriod(soft), flatFee: 1450n, quotaLimit: 500 }
  const period = { ...half, share: { part: 1n, whole: 2n } }
  expect(costView(soft, 600, period).total).toBe(1500)
  expect(costView(soft, 600).total).toBe(2900)
  expect(capOf(soft, 1499, period)).toEqual({
    ...{ units: 598, amount: 1499, spend: 1499, currency: 'EUR' },
  })
  expect(unitsWithinCap(soft, 1449, period)).toBe(0)
})

test('discounts are lines of the cost', () => {
  const half = { kind: 'percentage', promotion: 'HALF', percent: { units: 50n, scale: 0 } } as const
  expect(costView(HYBRID, 0, wholePeriod(HYBRID), [half]).lines).toMatchObject([
    { code: 'flat_fee', amount: 2900 },
    { code: 'percentage', amount: -1450 },
  ])
})
