import { and, asc, eq, isNotNull, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { type Drift, gatewayCommits, gatewayDrift } from '#db/schema/gateway'

/** Nobody reads more, and a gateway that was wiped lacks everything. */
const KEPT = 1_000

export const listDrift = (db: Db) =>
  db.select().from(gatewayDrift).orderBy(asc(gatewayDrift.gatewayId))

/** Notes a comparison; the drifts of the last one that found any stay readable. */
export async function saveDrift(
  db: Db,
  gatewayId: string,
  { drifts, ...counts }: { missing: number; stale: number; orphan: number; drifts: Drift[] },
  at: Date,
): Promise<void> {
  const found = drifts.length > 0 && { drifts: drifts.slice(0, KEPT), driftedAt: at }
  await db
    .insert(gatewayDrift)
    .values({ gatewayId, checkedAt: at, ...counts, drifts: [], total: drifts.length, ...found })
    .onConflictDoUpdate({
      target: gatewayDrift.gatewayId,
      set: {
        ...{ checkedAt: at, ...counts, ...found },
        total: sql`${gatewayDrift.total} + ${drifts.length}`,
      },
    })
}

/** APIs with a change on its way. */
export async function changingApis(db: Db): Promise<Set<string>> {
  const rows = await db
    .select({ apiId: gatewayCommits.apiId })
    .from(gatewayCommits)
    .where(and(eq(gatewayCommits.state, 'preparing'), isNotNull(gatewayCommits.apiId)))
  return new Set(rows.flatMap(({ apiId }) => apiId ?? []))
}
