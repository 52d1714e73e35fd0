import { and, eq, exists, gte, inArray, lte, notExists, type SQL } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Db } from '#db/client'
import { apiKeys } from '#db/schema/keys'
import { apiUsageAnalytics } from '#db/schema/usage'
import { recordAudit } from '#infra/audit'

const HOUR_MS = 3_600_000
const IDLE_MS = 24 * HOUR_MS
const AT_ONCE = 500

/** Writes down which keys have expired; the edge has refused them since. @returns how many */
export const expireDue = (db: Db, now: Date): Promise<number> =>
  expire(
    db,
    now,
    'expired',
    and(
      inArray(apiKeys.status, ['active', 'failed_sync', 'rotating']),
      lte(apiKeys.expiresAt, now),
    ),
  )

/**
 * Ends the grace of keys that have had no call for a day while their successors had some: the owner
 * has switched over. Calls of the successor also show that usage arrives at all.
 * @returns how many
 */
export function endIdleRotations(db: Db, now: Date): Promise<number> {
  const since = new Date(now.getTime() - IDLE_MS)
  const successors = alias(apiKeys, 'successors')
  // Whole hours: one that began before counts as well, which errs to the side of waiting.
  const hour = new Date(Math.floor(since.getTime() / HOUR_MS) * HOUR_MS)
  const recent = and(
    eq(apiUsageAnalytics.subscriptionId, apiKeys.subscriptionId),
    gte(apiUsageAnalytics.hour, hour),
  )
  const own = db
    .select({ hour: apiUsageAnalytics.hour })
    .from(apiUsageAnalytics)
    .where(and(recent, eq(apiUsageAnalytics.keyId, apiKeys.id)))
  const ofSuccessor = db
    .select({ hour: apiUsageAnalytics.hour })
    .from(apiUsageAnalytics)
    .innerJoin(successors, eq(successors.id, apiUsageAnalytics.keyId))
    .where(and(recent, eq(successors.predecessorId, apiKeys.id)))
  return expire(
    db,
    now,
    'unused',
    and(
      eq(apiKeys.status, 'rotating'),
      lte(apiKeys.rotatedAt, since),
      notExists(own),
      exists(ofSuccessor),
    ),
  )
}

async function expire(
  db: Db,
  now: Date,
  reason: 'expired' | 'unused',
  which: SQL | undefined,
): Promise<number> {
  let ended = 0
  for (;;) {
    const count = await db.transaction(async (tx) => {
      const due = tx
        .select({ id: apiKeys.id })
        .from(apiKeys)
        .where(which)
        .limit(AT_ONCE)
        .for('update', { skipLocked: true })
      const change = { status: 'expired' as const, updatedAt: now }
      const rows = await tx
        .update(apiKeys)
        .set(reason === 'unused' ? { ...change, expiresAt: now } : change)
        .where(inArray(apiKeys.id, due))
        .returning({ id: apiKeys.id })
      for (const { id } of rows)
        await recordAudit(tx, {
          ...{ actorId: null, action: 'api-key.expired', subjectId: id },
          ...{ details: { reason }, at: now },
        })
      return rows.length
    })
    ended += count
    if (count < AT_ONCE) return ended
  }
}
