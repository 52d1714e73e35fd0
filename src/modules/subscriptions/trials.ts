import type { Db } from '#db/client'
import { publishMany } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { end, type SubscriptionKeys } from './ending'
import { trialEnding } from './events'
import type { RenewalService } from './renewal'
import type { Timekeeper } from './timekeeper'
import { abandonedTrials, dueTrials, markReminded } from './trials.repository'

const REMIND_DAYS = 3
/** After so many days without a payment method a suspended trial gives the API free again. */
const KEPT_DAYS = 30

export interface TrialParts {
  db: Db
  clock: Clock
  keys: SubscriptionKeys
  timekeeper: Timekeeper
  renewals: RenewalService
}

/** What the end of trials asks for. */
export class TrialService {
  constructor(private readonly parts: TrialParts) {}

  /** Announces ends, carries them out, and ends what nobody took up. May be run again. */
  async runOnce(now: Date): Promise<{ reminded: number; ended: number; expired: number }> {
    const { renewals } = this.parts
    return {
      reminded: await this.remind(now),
      ended: await renewals.settle(now, dueTrials),
      expired: await renewals.eachDue(now, abandonedTrials(KEPT_DAYS), (tx, id) =>
        this.expire(tx, id, now),
      ),
    }
  }

  private remind(now: Date): Promise<number> {
    return this.parts.db.transaction(async (tx) => {
      const due = await markReminded(tx, now, REMIND_DAYS)
      const publications = due.map(({ subscriptionId, endsAt }) => ({
        payload: { subscriptionId, endsAt: (endsAt ?? now).toISOString(), at: now.toISOString() },
        orderingKey: subscriptionId,
      }))
      await publishMany(tx, trialEnding, publications)
      return due.length
    })
  }

  private async expire(tx: Db, id: `sub_${string}`, now: Date): Promise<void> {
    const held = await this.parts.timekeeper.hold(tx, id, now)
    if (held?.subscription.status !== 'suspended' || held.period.kind !== 'trial') return
    await end(tx, this.parts, held, { reason: 'trial', actorId: null, at: now })
  }
}
