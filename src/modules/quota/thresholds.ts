/** Percent of a quota that are worth telling of. */
const THRESHOLDS = [50, 80, 90, 100]

/** The thresholds that a counter crossed on its way from `before` to `after` units. */
export function crossedThresholds(before: number, after: number, included: number): number[] {
  const isReached = (threshold: number, units: number) => units * 100 >= threshold * included
  return THRESHOLDS.filter(
    (threshold) => isReached(threshold, after) && !isReached(threshold, before),
  )
}
