import { createHash } from 'node:crypto'
import type { Database, Db } from '#db/client'
import { addDeadLetters, publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { parseId } from '#lib/id'
import { type Admission, admit, inOurTime, storableCopy } from './admission'
import { UsageBacklog } from './backlog'
import { addToBacklog } from './backlog-repository'
import { markArrived } from './completeness-repository'
import { UsageRangeInvalid, UsageSubscriptionUnknown } from './errors'
import { usageBatchReceived } from './events'
import { type Bucket, isSubscriptionOf, selectBuckets, selectCurrentUsage } from './read-repository'
import type { UsageStatsInput } from './schemas'

const REQUEST_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const DAY_MS = 86_400_000
const LONGEST_DAYS = { hour: 92, day: 731 }
const DEFAULT_DAYS = { hour: 1, day: 30 }

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export class UsageService {
  private readonly db: Db
  private readonly backlog: UsageBacklog

  /** @param backlogLimit calls that may wait to be booked before no more are taken */
  constructor(
    database: Database,
    private readonly clock: Clock,
    backlogLimit: number,
  ) {
    this.db = database.db
    this.backlog = new UsageBacklog(database.db, backlogLimit)
  }

  /**
   * Takes a batch from a gateway: what is acceptable goes to the queue as one event, the rest to the
   * dead letters, in one transaction. The same batch again changes nothing: the ledger knows its calls.
   *
   * @throws UsageBacklogFull while too many calls wait
   */
  async receive(sent: readonly { id: string }[]) {
    await this.backlog.demandRoom()
    const events = inOurTime(sent, this.clock)
    const { accepted, rejected } = admit(events, this.clock.now())
    await this.db.transaction(async (tx) => {
      if (accepted.length > 0) {
        const batch = await publish(tx, usageBatchReceived, { events: accepted, deferrals: 0 })
        if (batch) await addToBacklog(tx, batch, accepted.length)
      }
      await addDeadLetters(tx, toDeadLetters(events, rejected), this.clock)
      await markArrived(tx, events, accepted)
    })
    this.backlog.take(accepted.length)
    return { accepted: accepted.length, rejected }
  }

  /** The actor's subscriptions with what they used in their current period. */
  async summary(actor: Actor) {
    const rows = await selectCurrentUsage(this.db, actor.userId, this.clock.now())
    return {
      items: rows.map(({ period: { id, startsAt, endsAt }, ...row }) => ({
        ...row,
        period: { id, start: startsAt.toISOString(), end: endsAt.toISOString() },
      })),
    }
  }

  /** Usage of one subscription of the actor by hours or days. */
  async stats(actor: Actor, query: UsageStatsInput) {
    const id = parseId('sub', query.subscriptionId)
    if (!id || !(await isSubscriptionOf(this.db, id, actor.userId))) {
      throw new UsageSubscriptionUnknown(query.subscriptionId)
    }
    const { from, to } = this.rangeOf(query)
    const { interval } = query
    const buckets = await selectBuckets(this.db, id, { from, to, interval })
    return {
      ...{ subscriptionId: id, interval, from: from.toISOString(), to: to.toISOString() },
      buckets: buckets.map(bucketView),
    }
  }

  private rangeOf({ from, to, interval }: UsageStatsInput): { from: Date; to: Date } {
    const end = to === undefined ? this.clock.now() : new Date(to)
    const lengthMs = DEFAULT_DAYS[interval] * DAY_MS
    const start = from === undefined ? new Date(end.getTime() - lengthMs) : new Date(from)
    const days = (end.getTime() - start.getTime()) / DAY_MS
    if (!(days > 0 && days <= LONGEST_DAYS[interval])) {
      throw new UsageRangeInvalid(LONGEST_DAYS[interval])
    }
    return { from: start, to: end }
  }
}

function toDeadLetters(events: readonly unknown[], rejected: Admission['rejected']) {
  return rejected.map(({ id, index, reason, detail }) => ({
    type: usageBatchReceived.name,
    // Without an id of its own an event is known by what it says.
    originId: REQUEST_ID.test(id) ? id : sha256(JSON.stringify(events[index])),
    payload: { events: [storableCopy(events[index])] },
    reason: `${reason}: ${detail}`,
  }))
}

function bucketView({ start, durationMs, ...bucket }: Bucket) {
  const averageDurationMs = bucket.calls === 0 ? 0 : Math.round(durationMs / bucket.calls)
  return { start: start.toISOString(), ...bucket, averageDurationMs }
}
