import type { Db } from '#db/client'
import { defineJob, type Job } from '#infra/cron'
import { publishMany } from '#infra/queue'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import { type PricingService, unitsWithinCap } from '#modules/pricing'
import { expectedAt } from '#modules/quota'
import { ratedPeriod } from '#modules/subscriptions'
import { claimTelling, type Limit, untoldPeriods } from './forecast.repository'
import { limitExpected } from './forecast-events'

const PAGE = 1_000

type Row = Awaited<ReturnType<typeof untoldPeriods>>[number]

/** Sees limits that will be reached before the period is over, and tells of each once a period. */
export class Forecasts {
  constructor(
    private readonly db: Db,
    private readonly pricing: PricingService,
  ) {}

  async tell(now: Date): Promise<{ told: number }> {
    let told = 0
    let after: Id<'per'> | null = null
    for (;;) {
      const rows: Row[] = await untoldPeriods(this.db, now, after, PAGE)
      told += await this.tellOf(rows, now)
      if (rows.length < PAGE) return { told }
      after = invariant(rows.at(-1), 'a full page').period.id
    }
  }

  private async tellOf(rows: Row[], now: Date): Promise<number> {
    const plans = await this.pricing.plansById([...new Set(rows.map(({ planId }) => planId))])
    const expected = rows.flatMap((row) => {
      const { subscriptionId, spendCap, period, used, projected } = row
      const plan = invariant(plans.get(row.planId), row.planId)
      const allowed: [Limit, number | null, Date | null][] = [
        ['quota', period.quotaLimit, row.quotaToldAt],
        [
          'spend-cap',
          spendCap === null ? null : unitsWithinCap(plan, spendCap, ratedPeriod({ period })),
          row.spendCapToldAt,
        ],
      ]
      return allowed.flatMap(([limit, units, toldAt]) => {
        const at = toldAt === null ? expectedAt(used, units, period, now) : null
        if (units === null || at === null) return []
        return {
          ...{ subscriptionId, billingPeriodId: period.id, limit, used, allowed: units, projected },
          ...{ expectedAt: at.toISOString(), periodEnd: period.end.toISOString() },
        }
      })
    })
    return this.db.transaction(async (tx) => {
      let told = 0
      for (const limit of ['quota', 'spend-cap'] as const) {
        const ours = expected.filter((each) => each.limit === limit)
        const ids = ours.map(({ billingPeriodId }) => billingPeriodId)
        const mine = await claimTelling(tx, limit, ids, now)
        const news = ours.filter(({ billingPeriodId }) => mine.has(billingPeriodId))
        await publishMany(
          tx,
          limitExpected,
          news.map((payload) => ({ payload })),
        )
        told += news.length
      }
      return told
    })
  }
}

/** Follows `usage-rollup`, which writes the projections that it reads. */
export const costProjectionJob = (forecasts: Forecasts): Job =>
  defineJob({
    name: 'cost-projection',
    schedule: '0 9 * * * *',
    run: (now) => forecasts.tell(now),
  })
