import { storable } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { isCanonicalEvent } from './event-check'
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

/** Calls of a gateway in our time: its machine's clock is not ours where ours can be moved. */
export function inOurTime<E extends { id: string }>(
  events: readonly E[],
  clock: Clock,
): readonly E[] {
  if (!clock.shownAt) return events
  return events.map((event) => {
    const at = new Date((event as { at?: string }).at ?? Number.NaN)
    const isInstant = !Number.isNaN(at.getTime())
    return isInstant ? { ...event, at: clock.shownAt?.(at).toISOString() } : event
  })
}

/** Looks at each event by itself: one bad event never keeps its neighbours out. */
export function admit(events: readonly unknown[], now: Date): Admission {
  const admission: Admission = { accepted: [], rejected: [] }
  const bounds = {
    oldest: new Date(now.getTime() - OLDEST_MS).toISOString(),
    latest: new Date(now.getTime() + AHEAD_MS).toISOString(),
  }
  for (const [index, raw] of events.entries()) {
    const { event, refusal } = look(raw, bounds)
    if (event) admission.accepted.push(event)
    else admission.rejected.push({ id: idOf(raw), index, ...refusal })
  }
  return admission
}

type Refusal = Pick<Rejection, 'reason' | 'detail'>
type Look = { event: UsageEvent; refusal?: never } | { event?: never; refusal: Refusal }

/** As text: instants in canonical form are in the order of their text. */
interface Bounds {
  oldest: string
  latest: string
}

function look(raw: unknown, bounds: Bounds): Look {
  if (isCanonicalEvent(raw)) return timely(raw, bounds)
  const parsed = UsageEventSchema.safeParse(raw)
  return parsed.success ? timely(parsed.data, bounds) : { refusal: invalid(parsed.error.issues) }
}

function timely(event: UsageEvent, { oldest, latest }: Bounds): Look {
  const { at } = event
  if (at < oldest)
    return { refusal: { reason: 'too_old', detail: `${at} is more than 35 days ago` } }
  if (at > latest) {
    const detail = `${at} is more than 5 minutes ahead of our clock`
    return { refusal: { reason: 'in_future', detail } }
  }
  return { event }
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
