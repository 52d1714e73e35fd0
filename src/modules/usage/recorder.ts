import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from '#db/client'
import { postgresCodeOf } from '#db/errors'
import { addDeadLetters, describeError, publish } from '#infra/queue'
import { backoffMs } from '#lib/backoff'
import type { Clock } from '#lib/clock'
import { type UsageEvent, usageBatchReceived } from './events'
import { insertUsage, loadLedgerFacts } from './repository'
import { resolveEvents } from './resolve-events'

/** Two workers met; the one that Postgres let go tries again. */
const PASSING = new Set(['40001', '40P01'])
const TRIES = 5
const TRY_AGAIN = { baseMs: 20, capMs: 500 }

/** Data exception, integrity violation, limit exceeded: no further try can help. */
const DATA_ERROR = /^(22|23|54)/

/** The period of a live subscription opens within minutes: 5 s to 10 min apart, an hour in all. */
const DEFERRAL = { baseMs: 5_000, capMs: 600_000 }
const MOST_DEFERRALS = 12

/** Books batches of calls in the ledger: each call once, however often and by whomever it is brought. */
export class UsageRecorder {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  /**
   * Books what can be booked. An event that Postgres refuses is found by halving and goes to the dead
   * letters, as does one of an unknown key or without a billing period.
   *
   * @returns how many calls were new
   */
  async record(events: readonly UsageEvent[], deferrals = 0): Promise<number> {
    try {
      return await this.patiently(() =>
        this.db.transaction((tx) => this.book(tx, events, deferrals)),
      )
    } catch (error) {
      if (!DATA_ERROR.test(postgresCodeOf(error)?.code ?? '')) throw error
      const [only] = events
      if (only && events.length === 1) return await this.bury(only, describeError(error))
      const middle = Math.ceil(events.length / 2)
      const first = await this.record(events.slice(0, middle), deferrals)
      return first + (await this.record(events.slice(middle), deferrals))
    }
  }

  private async book(tx: Db, events: readonly UsageEvent[], deferrals: number): Promise<number> {
    const keyIds = [...new Set(events.map((event) => event.keyId))]
    const since = new Date(Math.min(...events.map((event) => Date.parse(event.at))))
    const { records, refused, early } = resolveEvents(
      events,
      await loadLedgerFacts(tx, keyIds, since),
    )
    const added = await insertUsage(tx, records)
    const tooLate = deferrals < MOST_DEFERRALS ? [] : early
    if (early.length > tooLate.length) await this.defer(tx, early, deferrals)
    const reason = 'the next billing period was not opened in time'
    const dead = [...refused, ...tooLate.map((event) => ({ event, reason }))]
    await addDeadLetters(tx, dead.map(toDeadLetter), this.clock)
    return added
  }

  private async defer(tx: Db, events: UsageEvent[], deferrals: number): Promise<void> {
    const delayMs = Math.min(DEFERRAL.capMs, DEFERRAL.baseMs * 2 ** deferrals)
    await publish(tx, usageBatchReceived, { events, deferrals: deferrals + 1 }, { delayMs })
  }

  private async bury(event: UsageEvent, reason: string): Promise<0> {
    await addDeadLetters(this.db, [toDeadLetter({ event, reason })], this.clock)
    return 0
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

/** Holds a batch of its own, so that trying it again is publishing it again. */
function toDeadLetter({ event, reason }: { event: UsageEvent; reason: string }) {
  const payload = { events: [event] }
  return { type: usageBatchReceived.name, originId: event.id, payload, reason }
}
