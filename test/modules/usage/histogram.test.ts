import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bucketOf,
  countDuration,
  type Histogram,
  mergeHistograms,
  percentile,
  RELATIVE_ERROR,
} from '../../../src/modules/usage/histogram'

const duration = fc.oneof(fc.nat(50), fc.nat(5_000), fc.nat(10_000_000))
const durations = fc.array(duration, { minLength: 1, maxLength: 300 })

function histogramOf(values: readonly number[]): Histogram {
  const histogram: Histogram = []
  for (const value of values) countDuration(histogram, value)
  return histogram
}

describe('histogram', () => {
  test('a percentile is within the stated error of the true one', () => {
    fc.assert(
      fc.property(durations, fc.constantFrom(0, 0.5, 0.9, 0.95, 0.99, 1), (values, share) => {
        const sorted = values.toSorted((a, b) => a - b)
        const rank = Math.max(1, Math.ceil(share * sorted.length))
        const exact = sorted[rank - 1]!
        const read = percentile(histogramOf(values), share)!
        expect(Math.abs(read - exact)).toBeLessThanOrEqual(exact * (RELATIVE_ERROR + 1e-9))
      }),
    )
  })

  test('the stated error is below a tenth', () => expect(RELATIVE_ERROR).toBeLessThan(0.1))

  test('merging is adding: associative, commutative, and the same as counting all at once', () => {
    fc.assert(
      fc.property(durations, durations, durations, (one, two, three) => {
        const [a, b, c] = [one, two, three].map(histogramOf) as [Histogram, Histogram, Histogram]
        const all = histogramOf([...one, ...two, ...three])
        expect(mergeHistograms(mergeHistograms(a, b), c)).toEqual(all)
        expect(mergeHistograms(a, mergeHistograms(b, c))).toEqual(all)
        expect(mergeHistograms(b, a)).toEqual(mergeHistograms(a, b))
        expect(mergeHistograms(a, [])).toEqual(a)
      }),
    )
  })

  test('buckets rise with the duration, and the last one takes all that is longer', () => {
    fc.assert(
      fc.property(duration, duration, (a, b) => {
        expect(bucketOf(Math.min(a, b))).toBeLessThanOrEqual(bucketOf(Math.max(a, b)))
      }),
    )
    expect(bucketOf(0)).toBe(0)
    expect(bucketOf(2_147_483_647)).toBe(bucketOf(20_000_000))
  })

  test('of nothing there is no percentile', () => expect(percentile([], 0.5)).toBeNull())
})
