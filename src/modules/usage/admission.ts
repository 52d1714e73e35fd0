import { storable } from '#infra/queue'
import { type UsageEvent, UsageEventSchema } from './events'

const MINUTE_MS = 60_000
const OLDEST_MS = 35 * 24 * 60 * MINUTE_MS
const AHEAD_MS = 5 * MINUTE_MS

export type RejectionReason = 'invalid' | 'too_old' | 'in_future'

/** An event that was not taken, by its place in the batch. */
export interface Rejection {
  id: string
  index: number
  reason: RejectionReason
  detail: string
}

export interface Admission {
  accepted: UsageEvent[]
  rejected: Rejection[]
}

/** Looks at each event by itself: one bad event never keeps its neighbours out. */
export function admit(events: readonly unknown[], now: Date): Admission {
  const admission: Admission = { accepted: [], rejected: [] }
  for (const [index, raw] of events.entries()) {
    const parsed = UsageEventSchema.safeParse(raw)
    const refusal = parsed.success ? untimely(parsed.data, now) : invalid(parsed.error.issues)
    if (parsed.success && refusal === null) admission.accepted.push(parsed.data)
    else if (refusal) admission.rejected.push({ id: idOf(raw), index, ...refusal })
  }
  return admission
}

type Refusal = Pick<Rejection, 'reason' | 'detail'>

function untimely({ at }: UsageEvent, now: Date): Refusal | null {
  const ageMs = now.getTime() - Date.parse(at)
  if (ageMs > OLDEST_MS) return { reason: 'too_old', detail: `${at} is more than 35 days ago` }
  if (-ageMs > AHEAD_MS) {
    return { reason: 'in_future', detail: `${at} is more than 5 minutes ahead of our clock` }
  }
  return null
}

function invalid(issues: readonly { path: PropertyKey[]; message: string }[]): Refusal {
  const detail = issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  return { reason: 'invalid', detail: storable(detail) }
}

function idOf(raw: unknown): string {
  const id = (raw as { id?: unknown } | null)?.id
  return typeof id === 'string' ? storable(id).slice(0, 64) : ''
}

/** The event with what Postgres cannot hold replaced, so that at least the dead letter can be kept. */
export function storableCopy(raw: unknown): unknown {
  if (typeof raw === 'string') return storable(raw)
  if (Array.isArray(raw)) return raw.map(storableCopy)
  if (typeof raw !== 'object' || raw === null) return raw
  return Object.fromEntries(
    Object.entries(raw).map(([name, value]) => [storable(name), storableCopy(value)]),
  )
}
