import { countDuration, type Histogram, mergeHistograms } from './histogram'
import { operationOf } from './operation'
import type { Booking } from './resolve-events'

/** What is added to one subscription's counter of one period. */
export interface CounterSums {
  subscription: string
  billingPeriod: string
  /** Units of the period's quota; null without one. */
  included: number | null
  calls: number
  errors: number
  units: number
}

/** What is added to one key's hour. */
export interface KeySums {
  subscription: string
  /** The first instant, as text. */
  hour: string
  key: string
  api: string
  calls: number
  errors: number
  units: number
  durationMs: number
  requestBytes: number
  responseBytes: number
}

/** What is added to one operation's hour. */
export interface OperationSums {
  api: string
  hour: string
  operation: string
  calls: number
  clientErrors: number
  serverErrors: number
  durationMs: number
  requestBytes: number
  responseBytes: number
  latency: Histogram
}

/** Each list in the order of its table's key, in which all workers take their locks. */
export interface Tally {
  counters: CounterSums[]
  keys: KeySums[]
  operations: OperationSums[]
}

/** Adds calls up, so that each row of the rollups is touched once however many calls there are. */
export function tallyOf(bookings: readonly Booking[]): Tally {
  const counters = new Map<string, CounterSums>()
  const keys = new Map<string, KeySums>()
  const operations = new Map<string, OperationSums>()
  for (const booking of bookings) {
    addToCounter(entry(counters, booking.period.id, booking, newCounter), booking)
    const hour = booking.event.at.slice(0, 13)
    addToKey(entry(keys, booking.key.key + hour, booking, newKey), booking)
    const operation = operationOf(booking.event.method, booking.event.path)
    const name = booking.key.api + hour + operation
    addToOperation(entry(operations, name, booking, newOperation), booking)
  }
  return {
    counters: inOrder(counters, (sums) => sums.subscription + sums.billingPeriod),
    keys: inOrder(keys, (sums) => sums.subscription + sums.hour + sums.key),
    operations: inOrder(operations, (sums) => sums.api + sums.hour + sums.operation),
  }
}

/** Where those of an hour go that are too many to be named. */
export const OTHER_OPERATIONS = '(other)'

/**
 * Names at most `most` operations an API and hour and adds the others up as one.
 *
 * @param known names that have a row already, by API and hour; the new names are added to it
 */
export function nameOperations(
  operations: readonly OperationSums[],
  known: (of: OperationSums) => Set<string>,
  most: number,
): OperationSums[] {
  const named = new Map<string, OperationSums>()
  for (const sums of operations) {
    const names = known(sums)
    if (names.size < most) names.add(sums.operation)
    const operation = names.has(sums.operation) ? sums.operation : OTHER_OPERATIONS
    const key = sums.api + sums.hour + operation
    const before = named.get(key)
    named.set(key, before ? merge(before, sums) : { ...sums, operation })
  }
  return inOrder(named, (sums) => sums.api + sums.hour + sums.operation)
}

function merge(a: OperationSums, b: OperationSums): OperationSums {
  return {
    ...a,
    calls: a.calls + b.calls,
    clientErrors: a.clientErrors + b.clientErrors,
    serverErrors: a.serverErrors + b.serverErrors,
    durationMs: a.durationMs + b.durationMs,
    requestBytes: a.requestBytes + b.requestBytes,
    responseBytes: a.responseBytes + b.responseBytes,
    latency: mergeHistograms(a.latency, b.latency),
  }
}

function entry<T>(map: Map<string, T>, name: string, of: Booking, make: (of: Booking) => T): T {
  const known = map.get(name)
  if (known !== undefined) return known
  const made = make(of)
  map.set(name, made)
  return made
}

const hourOf = ({ event }: Booking): string => `${event.at.slice(0, 13)}:00:00.000Z`

const newCounter = ({ key, period }: Booking): CounterSums => ({
  ...{ subscription: key.subscription, billingPeriod: period.id, included: period.included },
  ...{ calls: 0, errors: 0, units: 0 },
})

const newKey = (booking: Booking): KeySums => ({
  ...{ subscription: booking.key.subscription, hour: hourOf(booking) },
  ...{ key: booking.key.key, api: booking.key.api },
  ...{ calls: 0, errors: 0, units: 0, durationMs: 0, requestBytes: 0, responseBytes: 0 },
})

const newOperation = (booking: Booking): OperationSums => ({
  ...{ api: booking.key.api, hour: hourOf(booking) },
  operation: operationOf(booking.event.method, booking.event.path),
  ...{ calls: 0, clientErrors: 0, serverErrors: 0 },
  ...{ durationMs: 0, requestBytes: 0, responseBytes: 0, latency: [] },
})

function addToCounter(sums: CounterSums, { event, units }: Booking): void {
  sums.calls++
  if (event.status >= 400) sums.errors++
  sums.units += units
}

function addToKey(sums: KeySums, { event, units }: Booking): void {
  sums.calls++
  if (event.status >= 400) sums.errors++
  sums.units += units
  addSizes(sums, event)
}

function addToOperation(sums: OperationSums, { event }: Booking): void {
  sums.calls++
  if (event.status >= 500) sums.serverErrors++
  else if (event.status >= 400) sums.clientErrors++
  addSizes(sums, event)
  countDuration(sums.latency, event.durationMs)
}

type Sizes = Pick<KeySums, 'durationMs' | 'requestBytes' | 'responseBytes'>

function addSizes(sums: Sizes, call: Sizes): void {
  sums.durationMs += call.durationMs
  sums.requestBytes += call.requestBytes
  sums.responseBytes += call.responseBytes
}

/** Keys are hex, base62 and ASCII, so that the order of text is Postgres' order as well. */
function inOrder<T>(map: ReadonlyMap<string, T>, keyOf: (sums: T) => string): T[] {
  const rows = [...map.values()].map((sums) => ({ key: keyOf(sums), sums }))
  rows.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  return rows.map(({ sums }) => sums)
}
