/**
 * Durations counted in buckets whose bounds grow by a fifth: bucket 0 is less than a millisecond,
 * bucket n from 1.2^(n−1) to 1.2^n ms. A histogram is an array of counts, without the empty buckets at
 * its end. Histograms are merged by adding, in any order; a percentile read from one is within
 * {@link RELATIVE_ERROR} of the true one.
 */
export type Histogram = number[]

const GROWTH = 1.2
/** From about three hours on all durations are in one bucket. */
const LAST_BUCKET = 90
export const BUCKETS = LAST_BUCKET + 1

/** Of a percentile, for durations of 1 ms to three hours. */
export const RELATIVE_ERROR = (GROWTH - 1) / (GROWTH + 1)

/** The floors of the buckets, so that a bound belongs to the same bucket whatever logarithms round to. */
const FLOORS = Array.from({ length: BUCKETS }, (_, n) => (n === 0 ? 0 : GROWTH ** (n - 1)))
const PER_LOG = 1 / Math.log(GROWTH)

/** @param durationMs not negative */
export function bucketOf(durationMs: number): number {
  if (durationMs < 1) return 0
  const guess = Math.min(LAST_BUCKET, Math.floor(Math.log(durationMs) * PER_LOG) + 1)
  if (durationMs < (FLOORS[guess] ?? 0)) return guess - 1
  return durationMs >= (FLOORS[guess + 1] ?? Infinity) ? guess + 1 : guess
}

/** Adds one duration in place. */
export function countDuration(histogram: Histogram, durationMs: number): void {
  const bucket = bucketOf(durationMs)
  while (histogram.length <= bucket) histogram.push(0)
  histogram[bucket] = (histogram[bucket] ?? 0) + 1
}

export function mergeHistograms(one: Histogram, other: Histogram): Histogram {
  const [longer, shorter] = one.length >= other.length ? [one, other] : [other, one]
  return longer.map((count, bucket) => count + (shorter[bucket] ?? 0))
}

/**
 * The duration in milliseconds that a share of all calls did not exceed (nearest rank); null of nothing.
 *
 * @param share 0.5 for the median, 0.99 for p99
 */
export function percentile(histogram: Histogram, share: number): number | null {
  const total = histogram.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const rank = Math.max(1, Math.ceil(share * total))
  let seen = 0
  const bucket = histogram.findIndex((count) => {
    seen += count
    return seen >= rank
  })
  return middleOf(bucket)
}

/** As far from the floor as from the next one, in proportion. */
function middleOf(bucket: number): number {
  const floor = FLOORS[bucket] ?? 0
  return floor * (1 + RELATIVE_ERROR)
}
