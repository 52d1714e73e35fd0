import { randomBytes } from 'node:crypto'
import { and, asc, gte, inArray, lt } from 'drizzle-orm'
import type { Db } from '#db/client'
import { apiKeys, type KeyStatus } from '#db/schema/keys'
import type { JobCounts } from '#infra/cron'
import type { Logger } from '#infra/logger'
import { randomBase62 } from '#lib/base62'
import { allowListsOf, type CaddyAdmin, type EdgeClient } from '#modules/gateway'
import type { Key } from './repository'
import { statusAt } from './views'

const SAMPLE = 200
/** News reach an edge within a second; what is younger proves nothing. */
const SETTLED_MS = 60_000

export interface VerifiedParts {
  db: Db
  edges: EdgeClient
  gateways: readonly CaddyAdmin[]
  logger: Logger
}

/**
 * Compares some keys with what every edge thinks of them: those in force must not be refused for
 * their own sake, those that are over must be. The edges are asked with the stored hash, so that a
 * wrong one is found as well; nothing is counted. Then with the allow-lists of the gateways, of the APIs
 * that they serve.
 */
export async function verifyKeys(
  { db, edges, gateways, logger }: VerifiedParts,
  now: Date,
): Promise<JobCounts> {
  const sample = [
    ...(await someKeys(db, ['active', 'rotating'], now)),
    ...(await someKeys(db, ['revoked', 'expired'], now)),
  ]
  const counts = { verified: 0, wrong: 0, unanswered: 0 }
  for (const dial of edges.dials)
    for (const key of sample) {
      const found = await edges.standing(dial, key).catch(() => 'unanswered' as const)
      if (found === 'unanswered') {
        counts.unanswered++
        // An edge that is away is somebody else's alarm; the others are asked yet.
        logger.warn({ edge: dial }, 'key.verification-unanswered')
        break
      }
      const status = statusAt(key, now)
      // Whatever else an edge refuses, unpaid invoices say, is not the key's doing.
      const isRefused = found?.startsWith('key_') ?? false
      if (isOver(status) === isRefused) counts.verified++
      else {
        counts.wrong++
        logger.error({ keyId: key.id, status, edge: dial, found }, 'key.verification-failed')
      }
    }
  return { ...counts, misplaced: await countMisplaced(gateways, sample, logger) }
}

const isOver = (status: KeyStatus): boolean => status === 'revoked' || status === 'expired'

/** Keys in force that a gateway does not let through to the edge, and those over that it does. */
async function countMisplaced(
  gateways: readonly CaddyAdmin[],
  sample: Key[],
  logger: Logger,
): Promise<number> {
  let count = 0
  for (const gateway of gateways) {
    // One that is away has `gateway-health` and `gateway-reconcile` to look after it.
    const lists = await allowListsOf(gateway).catch(() => new Map<string, Set<string>>())
    for (const key of sample) {
      const list = lists.get(key.apiId)
      // By the row: one that has just expired leaves the gateway when that is written down.
      if (!list || list.has(key.id) !== isOver(key.status)) continue
      count++
      logger.error({ keyId: key.id, gateway: gateway.url }, 'key.misplaced')
    }
  }
  return count
}

/** The keys from somewhere among all ids on, which are random themselves. */
async function someKeys(db: Db, statuses: KeyStatus[], now: Date): Promise<Key[]> {
  const from = `key_${randomBase62(12, randomBytes)}` as const
  const settled = and(
    inArray(apiKeys.status, statuses),
    lt(apiKeys.updatedAt, new Date(now.getTime() - SETTLED_MS)),
  )
  const select = (half: ReturnType<typeof gte>, limit: number) =>
    db.select().from(apiKeys).where(and(settled, half)).orderBy(asc(apiKeys.id)).limit(limit)
  const after = await select(gte(apiKeys.id, from), SAMPLE)
  if (after.length === SAMPLE) return after
  return [...after, ...(await select(lt(apiKeys.id, from), SAMPLE - after.length))]
}
