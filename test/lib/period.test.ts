import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BILLING_CYCLES, type BillingCycle, periodAt } from '#lib/period'

const day = (date: Date) => date.toISOString().slice(0, 10)
const starts = (anchor: string, cycle: BillingCycle, count: number) =>
  Array.from({ length: count }, (_, n) => day(periodAt(new Date(anchor), cycle, n).start))

describe('starts of periods', () => {
  test.each<[string, BillingCycle, string[]]>([
    ['2026-01-31', 'monthly', ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30']],
    ['2028-01-31', 'monthly', ['2028-01-31', '2028-02-29', '2028-03-31', '2028-04-30']],
    ['2026-01-29', 'monthly', ['2026-01-29', '2026-02-28', '2026-03-29']],
    ['2026-01-15', 'monthly', ['2026-01-15', '2026-02-15', '2026-03-15']],
    ['2026-11-30', 'monthly', ['2026-11-30', '2026-12-30', '2027-01-30', '2027-02-28']],
    ['2100-01-31', 'monthly', ['2100-01-31', '2100-02-28']],
    ['2000-01-31', 'monthly', ['2000-01-31', '2000-02-29']],
    ['2025-11-30', 'quarterly', ['2025-11-30', '2026-02-28', '2026-05-30']],
    [
      '2028-02-29',
      'yearly',
      ['2028-02-29', '2029-02-28', '2030-02-28', '2031-02-28', '2032-02-29'],
    ],
    ['2026-12-28', 'weekly', ['2026-12-28', '2027-01-04', '2027-01-11']],
    ['2028-02-28', 'daily', ['2028-02-28', '2028-02-29', '2028-03-01']],
  ])('%s %s', (anchor, cycle, expected) => {
    expect(starts(anchor, cycle, expected.length)).toEqual(expected)
  })

  test('the time of day stays, to the millisecond', () => {
    const { start, end } = periodAt(new Date('2026-01-31T23:59:59.999Z'), 'monthly', 1)
    expect(start.toISOString()).toBe('2026-02-28T23:59:59.999Z')
    expect(end.toISOString()).toBe('2026-03-31T23:59:59.999Z')
  })

  test('the anchor is left as it was', () => {
    const anchor = new Date('2026-01-31T00:00:00.000Z')
    periodAt(anchor, 'monthly', 13)
    expect(anchor.toISOString()).toBe('2026-01-31T00:00:00.000Z')
  })
})

const anchor = fc.date({
  min: new Date('1990-01-01T00:00:00Z'),
  max: new Date('2150-01-01T00:00:00Z'),
  noInvalidDate: true,
})
const cycle = fc.constantFrom(...BILLING_CYCLES)
const ordinal = fc.integer({ min: 0, max: 1200 })

describe('properties', () => {
  test('the first period begins at the anchor', () => {
    fc.assert(
      fc.property(anchor, cycle, (at, every) => {
        expect(periodAt(at, every, 0).start).toEqual(at)
      }),
    )
  })

  test('periods go forward and tile without gap or overlap', () => {
    fc.assert(
      fc.property(anchor, cycle, ordinal, (at, every, n) => {
        const { start, end } = periodAt(at, every, n)
        expect(end.getTime()).toBeGreaterThan(start.getTime())
        expect(periodAt(at, every, n + 1).start).toEqual(end)
      }),
    )
  })

  test('calendar cycles keep the day of the anchor, or the last day of a shorter month', () => {
    fc.assert(
      fc.property(
        anchor,
        fc.constantFrom<BillingCycle>('monthly', 'quarterly', 'yearly'),
        ordinal,
        (at, every, n) => {
          const { start } = periodAt(at, every, n)
          const months = { monthly: 1, quarterly: 3, yearly: 12 }[every as 'monthly'] * n
          const wanted = at.getUTCFullYear() * 12 + at.getUTCMonth() + months
          expect(start.getUTCFullYear() * 12 + start.getUTCMonth()).toBe(wanted)
          const tomorrow = new Date(start.getTime() + 86_400_000)
          const onAnchorDay = start.getUTCDate() === at.getUTCDate()
          const onLastDay = start.getUTCDate() < at.getUTCDate() && tomorrow.getUTCDate() === 1
          expect(onAnchorDay || onLastDay).toBe(true)
        },
      ),
    )
  })
})
