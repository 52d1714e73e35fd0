import { isDeepStrictEqual } from 'node:util'
import type { Database, Db } from '#db/client'
import type { JobCounts } from '#infra/cron'
import { countUnfinished, publishMany } from '#infra/queue'
import type { Clock } from '#lib/clock'
import type { SequenceRange } from '#lib/sequence-range'
import { usageGapDetected } from './completeness-events'
import { carryOver, markUnrecoverable, requestDue } from './completeness-gaps'
import { type Arrival, lockGaps, replaceGaps, selectArrivals } from './completeness-repository'
import { usageBatchReceived } from './events'

/** More than these are asked for when some of them have come. */
const MOST_GAPS_AT_ONCE = 100

/** Knows which events of each gateway arrived, and sees to it that the others do. */
export class CompletenessService {
  private readonly db: Db

  constructor(
    database: Database,
    private readonly clock: Clock,
  ) {
    this.db = database.db
  }

  /** Every gateway with what is missing of it at this moment. */
  async overview() {
    const now = this.clock.now()
    const arrivals = await selectArrivals(this.db)
    return {
      waitingBatches: await countUnfinished(this.db, usageBatchReceived.name),
      gateways: arrivals.map((arrival) => toView(arrival, now)),
    }
  }

  /** What a gateway needs to know: the highest of its numbers that arrived, and what to send again. */
  async arrivalsOf(gatewayId: string) {
    const [arrival] = await selectArrivals(this.db, gatewayId)
    if (!arrival) return { highest: 0, gaps: [] }
    const gaps = carryOver(arrival.knownGaps, arrival.missing, this.clock.now())
      .filter(({ state }) => state === 'requested')
      .slice(0, MOST_GAPS_AT_ONCE)
      .map(({ first, last }) => ({ first, last }))
    return { highest: arrival.highest, gaps }
  }

  /** Takes down what a gateway cannot send again. What is not missing stays as it is. */
  async reportUnrecoverable(gatewayId: string, lost: readonly SequenceRange[]): Promise<void> {
    const sorted = lost.toSorted((a, b) => a.first - b.first)
    await this.db.transaction(async (tx) => {
      await lockGaps(tx)
      const [arrival] = await selectArrivals(tx, gatewayId)
      if (!arrival) return
      const gaps = carryOver(arrival.knownGaps, arrival.missing, this.clock.now())
      await replaceGaps(tx, gatewayId, markUnrecoverable(gaps, sorted))
    })
  }

  /**
   * Notes new gaps and forgets those that closed. One that stays is told of by one
   * `usage.gap-detected`, and the gateway is asked for it from then on.
   */
  async check(now: Date): Promise<JobCounts> {
    return this.db.transaction(async (tx) => {
      await lockGaps(tx)
      const counts = { gaps: 0, requested: 0, unrecoverable: 0 }
      for (const { gatewayId, missing, knownGaps } of await selectArrivals(tx)) {
        const { gaps, due } = requestDue(carryOver(knownGaps, missing, now), now)
        const news = due.map(({ first, last, since }) => ({
          payload: { gatewayId, first, last, since: since.toISOString() },
        }))
        await publishMany(tx, usageGapDetected, news)
        if (!isDeepStrictEqual(gaps, knownGaps)) await replaceGaps(tx, gatewayId, gaps)
        counts.gaps += gaps.length
        counts.requested += due.length
        counts.unrecoverable += gaps.filter(({ state }) => state === 'unrecoverable').length
      }
      return counts
    })
  }
}

function toView({ gatewayId, highest, missing, lastEventAt, knownGaps }: Arrival, now: Date) {
  return {
    gatewayId,
    highest,
    completeUpTo: (missing[0]?.first ?? highest + 1) - 1,
    missing: missing.reduce((sum, { first, last }) => sum + last - first + 1, 0),
    lastEventAt: lastEventAt?.toISOString() ?? null,
    gaps: carryOver(knownGaps, missing, now).map((gap) => ({
      ...gap,
      since: gap.since.toISOString(),
    })),
  }
}
