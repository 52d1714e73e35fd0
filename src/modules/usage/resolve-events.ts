import type { StatusRange } from '#db/schema/pricing'
import type { SubscriptionStatus } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { UsageEvent } from './events'

/** What the ledger must know of a key to book its calls. */
export interface KeyFacts {
  subscriptionId: Id<'sub'>
  apiId: Id<'api'>
  subscriptionStatus: SubscriptionStatus
}

/** A billing period, half-open, with what its plan counts. */
export interface PeriodFacts {
  id: Id<'per'>
  startsAt: Date
  endsAt: Date
  billableStatuses: StatusRange[]
}

export interface LedgerFacts {
  keys: ReadonlyMap<string, KeyFacts>
  periods: ReadonlyMap<Id<'sub'>, PeriodFacts[]>
}

/** A call with everything that the ledger keeps of it. */
export interface UsageRecord extends UsageEvent {
  subscriptionId: Id<'sub'>
  apiId: Id<'api'>
  billingPeriodId: Id<'per'>
  billable: boolean
  units: number
}

export interface Resolution {
  /** Sorted by the ledger's key, the order in which all workers take their locks. */
  records: UsageRecord[]
  refused: { event: UsageEvent; reason: string }[]
  /** Their billing period is about to be opened: to be tried again a little later. */
  early: UsageEvent[]
}

/** Finds for each call whose it is, in which period it falls and whether it is billed. */
export function resolveEvents(events: readonly UsageEvent[], facts: LedgerFacts): Resolution {
  const resolution: Resolution = { records: [], refused: [], early: [] }
  for (const event of events) {
    const key = facts.keys.get(event.keyId)
    if (!key) {
      resolution.refused.push({ event, reason: `unknown key ${event.keyId}` })
      continue
    }
    const periods = facts.periods.get(key.subscriptionId) ?? []
    const at = new Date(event.at)
    const period = periods.find(({ startsAt, endsAt }) => startsAt <= at && at < endsAt)
    if (period) resolution.records.push(toRecord(event, key, period))
    else if (isRenewing(key, periods, at)) resolution.early.push(event)
    else {
      const reason = `no billing period of ${key.subscriptionId} contains ${event.at}`
      resolution.refused.push({ event, reason })
    }
  }
  resolution.records.sort(byLedgerKey)
  return resolution
}

function toRecord(event: UsageEvent, key: KeyFacts, period: PeriodFacts): UsageRecord {
  const { subscriptionId, apiId } = key
  const billable = period.billableStatuses.some(
    ({ from, to }) => from <= event.status && event.status <= to,
  )
  const units = billable ? 1 : 0
  return { ...event, subscriptionId, apiId, billingPeriodId: period.id, billable, units }
}

/** The last period has ended, and the job that opens the next has not been here yet. */
function isRenewing(key: KeyFacts, periods: PeriodFacts[], at: Date): boolean {
  const ended = key.subscriptionStatus === 'cancelled' || key.subscriptionStatus === 'expired'
  return !ended && periods.every(({ endsAt }) => endsAt <= at)
}

function byLedgerKey(a: UsageRecord, b: UsageRecord): number {
  return compare(a.subscriptionId, b.subscriptionId) || compare(a.at, b.at) || compare(a.id, b.id)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
