import { inArray } from 'drizzle-orm'
import type { Db } from '#db/client'
import { usageCounters } from '#db/schema/usage'
import type { Id } from '#lib/id'

export interface Counted {
  calls: number
  errors: number
  units: number
}

/** What the ledger has counted in each of these periods; periods without a call are missing. */
export async function countsOf(db: Db, periodIds: Id<'per'>[]): Promise<Map<Id<'per'>, Counted>> {
  if (periodIds.length === 0) return new Map()
  const rows = await db
    .select({
      periodId: usageCounters.billingPeriodId,
      calls: usageCounters.calls,
      errors: usageCounters.errors,
      units: usageCounters.units,
    })
    .from(usageCounters)
    .where(inArray(usageCounters.billingPeriodId, periodIds))
  return new Map(rows.map(({ periodId, ...counted }) => [periodId, counted]))
}
