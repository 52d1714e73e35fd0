export interface Estimate {
  unitsPerDay: number
  projectedUnits: number
  /** Null when the quota lasts until the end of the period, or there is none. */
  exhaustedAt: Date | null
}

const DAY_MS = 86_400_000

/** Where a period leads if it goes on as it went so far. */
export function estimate(
  used: number,
  limit: number | null,
  period: { start: Date; end: Date },
  now: Date,
): Estimate {
  const elapsedMs = Math.max(1, now.getTime() - period.start.getTime())
  const perMs = used / elapsedMs
  const endsIn = Math.max(0, period.end.getTime() - now.getTime())
  const projectedUnits = Math.round(used + perMs * endsIn)
  const left = limit === null ? Number.POSITIVE_INFINITY : limit - used
  const lastsMs = left <= 0 ? 0 : left / perMs
  const exhaustedAt = lastsMs < endsIn || left <= 0 ? new Date(now.getTime() + lastsMs) : null
  return { unitsPerDay: perMs * DAY_MS, projectedUnits, exhaustedAt }
}
