/** Percent of a quota that are worth telling of. */
const THRESHOLDS = [50, 80, 90, 100]

/** The thresholds that a counter crossed on its way from `before` to `after` units. */
export function crossedThresholds(before: number, after: number, included: number): number[] {
  return THRESHOLDS.filter(
    (threshold) => isReached(threshold, after, included) && !isReached(threshold, before, included),
  )
}

/** The highest threshold that was reached, null below the first. */
export function highestReached(units: number, included: number): number | null {
  return THRESHOLDS.findLast((threshold) => isReached(threshold, units, included)) ?? null
}

const isReached = (threshold: number, units: number, included: number) =>
  units * 100 >= threshold * included
