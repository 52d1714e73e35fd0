import type { Db } from '#db/client'
import type { Clock } from '#lib/clock'
import { type Id, newId } from '#lib/id'
import { periodAt } from '#lib/period'
import {
  type DueRenewal,
  dueForAnotherPlan,
  dueOtherwise,
  lockDueRenewals,
  type Renewal,
  renew,
} from './renewal.repository'
import type { Timekeeper } from './timekeeper'

/** Periods opened in one transaction: some hundred milliseconds. */
const AT_ONCE = 2_000

/** Which subscriptions are due, from one on. */
type DueAfter = typeof dueOtherwise

/** Opens the periods that are due, and ends what has reached its end. */
export class RenewalService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly timekeeper: Timekeeper,
  ) {}

  /**
   * Opens the next period of every subscription whose period has ended, exactly where that one
   * ended; after a downtime as many as are due. Safe to run again and by several at once.
   */
  async renewDue(now: Date): Promise<{ opened: number }> {
    for (let opened = 0; ; ) {
      const count = await this.db.transaction(async (tx) => {
        const due = await lockDueRenewals(tx, now, AT_ONCE)
        if (due.length > 0)
          await renew(
            tx,
            due.map((one) => this.renewalOf(one)),
            now,
          )
        return due.length
      })
      if (count === 0) return { opened }
      opened += count
    }
  }

  private renewalOf({ subscriptionId, periodId, ...of }: DueRenewal): Renewal {
    const { end: endsAt } = periodAt(of.anchorAt, of.billingCycle, of.cycleIndex + 1)
    return { subscriptionId, periodId, nextId: newId('per', this.clock), endsAt }
  }

  /** Ends and closes what time asks for besides. */
  async settleDue(now: Date): Promise<{ settled: number }> {
    return { settled: await this.settle(now, dueOtherwise) }
  }

  async changePlansDue(now: Date): Promise<{ changed: number }> {
    return { changed: await this.settle(now, dueForAnotherPlan) }
  }

  /** Brings the subscriptions that are due up to date, each in a transaction of its own. */
  settle(now: Date, dueAfter: DueAfter): Promise<number> {
    return this.eachDue(now, dueAfter, (tx, id) => this.timekeeper.hold(tx, id, now))
  }

  /** Does something to each subscription that is due, in a transaction of its own. */
  async eachDue(
    now: Date,
    dueAfter: DueAfter,
    work: (tx: Db, id: Id<'sub'>) => Promise<unknown>,
  ): Promise<number> {
    let settled = 0
    for (let after: Id<'sub'> | null = null; ; ) {
      const due: Id<'sub'>[] = await dueAfter(this.db, now, after, AT_ONCE)
      for (const id of due) await this.db.transaction((tx) => work(tx, id))
      settled += due.length
      after = due.at(-1) ?? null
      if (after === null) return settled
    }
  }
}
