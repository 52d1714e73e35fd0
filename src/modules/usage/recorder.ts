import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from '#db/client'
import { postgresCodeOf } from '#db/errors'
import { addDeadLetters, describeError, publish, publishMany } from '#infra/queue'
import { backoffMs } from '#lib/backoff'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import { crossedThresholds, quotaThresholdReached } from '#modules/quota'
import { removeFromBacklog } from './backlog-repository'
import { type UsageEvent, usageBatchReceived } from './events'
import { idOf } from './ids'
import { LedgerMemory } from './ledger-memory'
import {
  addToCounters,
  addToKeyHours,
  addToOperationHours,
  type CounterMove,
  copyRecords,
  insertNewRecords,
  mayBeDuplicate,
} from './ledger-repository'
import { BookedCalls } from './metrics'
import { type Booking, type Refusal, type Resolution, sortBookings } from './resolve-events'
import { tallyOf } from './tally'

/** Two workers met; the one that Postgres let go tries again. */
const PASSING = new Set(['40001', '40P01'])
const TRIES = 5
const TRY_AGAIN = { baseMs: 20, capMs: 500 }

/** Data exception, integrity violation, limit exceeded: no further try can help. */
const DATA_ERROR = /^(22|23|54)/

/** The period of a live subscription opens within minutes: 5 s to 10 min apart, an hour in all. */
const DEFERRAL = { baseMs: 5_000, capMs: 600_000 }
const MOST_DEFERRALS = 12

/** Calls that came together, and how often they were put off. */
export interface UsageBatch {
  /** The queue's event. */
  id: Id<'evt'>
  events: readonly UsageEvent[]
  deferrals: number
}

type Insert = (tx: Db, bookings: Booking[]) => Promise<Booking[]>

/** Books batches of calls in the ledger: each call once, however often and by whomever it is brought. */
export class UsageRecorder {
  private readonly memory = new LedgerMemory()

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly calls = new BookedCalls(),
  ) {}

  /**
   * Books what can be booked, all batches in one transaction. An event that Postgres refuses is found
   * batch by batch and then by halving, and goes to the dead letters, as does one of an unknown key or
   * without a billing period.
   */
  async record(batches: readonly UsageBatch[]): Promise<void> {
    try {
      await this.patiently(() => this.book(batches))
    } catch (error) {
      if (!DATA_ERROR.test(postgresCodeOf(error)?.code ?? '')) throw error
      const parts = partsOf(batches)
      if (parts.length === 0) return await this.bury(batches, describeError(error))
      for (const part of parts) await this.record(part)
    }
  }

  /** Most batches bring only new calls, for which COPY is made; where one is known, they are sorted out. */
  private async book(batches: readonly UsageBatch[]): Promise<void> {
    try {
      this.calls.add(await this.db.transaction((tx) => this.bookIn(tx, batches, copyAll)))
    } catch (error) {
      if (!mayBeDuplicate(error)) throw error
      this.calls.add(await this.db.transaction((tx) => this.bookIn(tx, batches, insertNewRecords)))
    }
  }

  private async bookIn(tx: Db, batches: readonly UsageBatch[], insert: Insert) {
    await this.memory.refresh(tx)
    const bookings: Booking[] = []
    for (const batch of batches) {
      const resolution = await this.memory.resolve(tx, batch.events)
      for (const booking of resolution.bookings) bookings.push(booking)
      await this.putAside(tx, resolution, batch.deferrals)
    }
    await removeFromBacklog(
      tx,
      batches.map(({ id }) => id),
    )
    const added = await insert(tx, sortBookings(bookings))
    const counts = { booked: added.length, duplicates: bookings.length - added.length }
    if (added.length === 0) return counts
    const { counters, keys, operations } = tallyOf(added)
    await this.tellOfQuotas(tx, await addToCounters(tx, counters))
    await addToKeyHours(tx, keys)
    await addToOperationHours(tx, await this.memory.name(tx, operations))
    return counts
  }

  /** The counter's own row says what it was and is, so that of all workers just one sees it cross. */
  private async tellOfQuotas(tx: Db, moves: readonly CounterMove[]): Promise<void> {
    const reached = moves.flatMap(({ subscription, billingPeriod, before, after, included }) =>
      crossedThresholds(before, after, included).map((threshold) => ({
        payload: {
          ...{ subscriptionId: idOf('sub', subscription), units: after, included, threshold },
          billingPeriodId: idOf('per', billingPeriod),
        },
      })),
    )
    await publishMany(tx, quotaThresholdReached, reached)
  }

  private async putAside(tx: Db, { refused, early }: Resolution, deferrals: number): Promise<void> {
    const tooLate = deferrals < MOST_DEFERRALS ? [] : early
    if (early.length > tooLate.length) await this.defer(tx, early, deferrals)
    const reason = 'the next billing period was not opened in time'
    const dead = [...refused, ...tooLate.map((event) => ({ event, reason }))]
    await addDeadLetters(tx, dead.map(toDeadLetter), this.clock)
  }

  private async defer(tx: Db, events: UsageEvent[], deferrals: number): Promise<void> {
    const delayMs = Math.min(DEFERRAL.capMs, DEFERRAL.baseMs * 2 ** deferrals)
    await publish(tx, usageBatchReceived, { events, deferrals: deferrals + 1 }, { delayMs })
  }

  private async bury(batches: readonly UsageBatch[], reason: string): Promise<void> {
    const letters = batches.flatMap(({ events }) => events.map((event) => ({ event, reason })))
    await addDeadLetters(this.db, letters.map(toDeadLetter), this.clock)
  }

  private async patiently<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        const passing = PASSING.has(postgresCodeOf(error)?.code ?? '')
        if (!passing || attempt === TRIES) throw error
        await sleep(backoffMs(TRY_AGAIN, attempt, Math.random()))
      }
    }
  }
}

async function copyAll(tx: Db, bookings: Booking[]): Promise<Booking[]> {
  if (bookings.length > 0) await copyRecords(tx, bookings)
  return bookings
}

/** Smaller ones to try on their own: the batches, then the halves of one; none of a single event. */
function partsOf(batches: readonly UsageBatch[]): UsageBatch[][] {
  if (batches.length > 1) return batches.map((batch) => [batch])
  return batches.flatMap(({ id, events, deferrals }) => {
    if (events.length < 2) return []
    const middle = Math.ceil(events.length / 2)
    return [events.slice(0, middle), events.slice(middle)].map((half) => [
      { id, events: half, deferrals },
    ])
  })
}

/** Holds a batch of its own, so that trying it again is publishing it again. */
function toDeadLetter({ event, reason }: Refusal) {
  const payload = { events: [event] }
  return { type: usageBatchReceived.name, originId: event.id, payload, reason }
}
