import { estimate } from './estimate'

/** Below so much of a limit, and so early in a period, what lies ahead is a guess. */
const LEAST_USED = 0.25
const LEAST_ELAPSED = 0.05

/** When a limit will be reached if the period goes on as so far; null when it will not be, when it is already, or when it is too early to say. */
export function expectedAt(
  used: number,
  limit: number | null,
  period: { start: Date; end: Date },
  now: Date,
): Date | null {
  if (limit === null || used >= limit || used < limit * LEAST_USED) return null
  const length = period.end.getTime() - period.start.getTime()
  if (now.getTime() - period.start.getTime() < length * LEAST_ELAPSED) return null
  return estimate(used, limit, period, now).exhaustedAt
}
