import { createHash } from 'node:crypto'
import type { Database, Db } from '#db/client'
import { addDeadLetters, publish } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { type Admission, admit, inOurTime, storableCopy } from './admission'
import { UsageBacklog } from './backlog'
import { addToBacklog } from './backlog-repository'
import { markArrived } from './completeness-repository'
import { usageBatchReceived } from './events'

const REQUEST_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Takes what gateways report. */
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
