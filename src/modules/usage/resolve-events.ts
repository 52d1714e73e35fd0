import type { StatusRange } from '#db/schema/pricing'
import type { SubscriptionStatus } from '#db/schema/subscriptions'
import { matchesOperation, type OperationPattern, segmentsOf } from '#lib/operation-pattern'
import type { UsageEvent } from './events'
import { idOf } from './ids'

/** What the ledger must know of a key to book its calls. Ids are as Postgres writes them, here and in all that is booked. */
export interface KeyFacts {
  /** Without `key_` in front. */
  key: string
  subscription: string
  api: string
  subscriptionStatus: SubscriptionStatus
  /** Newest first. */
  periods: PeriodFacts[]
}

/** A billing period, half-open, with what its plan counts. Instants as text: it compares like time. */
export interface PeriodFacts {
  id: string
  startsAt: string
  endsAt: string
  billableStatuses: StatusRange[]
  /** What calls count; the first that matches. */
  weights: CallWeight[]
  /** Units of the quota; null without one. */
  included: number | null
}

/** An operation whose calls count otherwise than 1. */
export interface CallWeight {
  pattern: OperationPattern
  units: number
}

/** A call with whose it is and what is billed of it. */
export interface Booking {
  event: UsageEvent
  key: KeyFacts
  period: PeriodFacts
  units: number
}

export interface Refusal {
  event: UsageEvent
  reason: string
}

export interface Resolution {
  bookings: Booking[]
  refused: Refusal[]
  /** Their billing period is about to be opened: to be tried again a little later. */
  early: UsageEvent[]
}

/** Finds for each call whose it is, in which period it falls and whether it is billed. */
export function resolveEvents(
  events: readonly UsageEvent[],
  keys: ReadonlyMap<string, KeyFacts>,
): Resolution {
  const resolution: Resolution = { bookings: [], refused: [], early: [] }
  for (const event of events) {
    const key = keys.get(event.keyId)
    const period = key && periodOf(key, event.at)
    if (!key) resolution.refused.push({ event, reason: `unknown key ${event.keyId}` })
    else if (period) resolution.bookings.push({ event, key, period, units: unitsOf(event, period) })
    else if (isRenewing(key, event.at)) resolution.early.push(event)
    else {
      const reason = `no billing period of ${idOf('sub', key.subscription)} contains ${event.at}`
      resolution.refused.push({ event, reason })
    }
  }
  return resolution
}

/** Periods come newest first. */
const periodOf = (key: KeyFacts, at: string): PeriodFacts | undefined =>
  key.periods.find(({ startsAt, endsAt }) => startsAt <= at && at < endsAt) ??
  (isServed(key) ? undefined : key.periods.find(({ endsAt }) => isJustAfter(endsAt, at)))

/** An edge may let calls through until it has learnt that a subscription ended or pauses. */
const LEARNT_WITHIN_MS = 60_000

const isJustAfter = (end: string, at: string): boolean =>
  end <= at && Date.parse(at) < Date.parse(end) + LEARNT_WITHIN_MS

const isServed = ({ subscriptionStatus: status }: KeyFacts): boolean =>
  status === 'trialing' || status === 'active' || status === 'past_due'

function unitsOf(event: UsageEvent, { billableStatuses, weights }: PeriodFacts): number {
  const { status } = event
  if (!billableStatuses.some(({ from, to }) => from <= status && status <= to)) return 0
  return weights.length === 0 ? 1 : weightOf(event, weights)
}

/** A path that can be read in two ways counts the most that it could: it must not be a way around. */
function weightOf({ method, path }: UsageEvent, weights: readonly CallWeight[]): number {
  const segments = segmentsOf(path)
  if (segments !== null)
    return weights.find(({ pattern }) => matchesOperation([pattern], method, segments))?.units ?? 1
  const possible = weights.filter(
    ({ pattern }) => pattern.method === null || pattern.method === method,
  )
  return Math.max(1, ...possible.map(({ units }) => units))
}

/** The last period has ended, and the job that opens the next has not been here yet. */
function isRenewing(key: KeyFacts, at: string): boolean {
  return isServed(key) && key.periods.every(({ endsAt }) => endsAt <= at)
}

/** In the order of the ledger's key, in which all workers take their locks, and each call once. */
export function sortBookings(bookings: Booking[]): Booking[] {
  bookings.sort(byLedgerKey)
  return bookings.filter((booking, index) => {
    const before = bookings[index - 1]
    return before === undefined || byLedgerKey(before, booking) !== 0
  })
}

function byLedgerKey(a: Booking, b: Booking): number {
  return (
    compare(a.key.subscription, b.key.subscription) ||
    compare(a.event.at, b.event.at) ||
    compare(a.event.id, b.event.id)
  )
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
