import { desc, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { pricingRevisions } from '#db/schema/pricing'
import type { Pricing } from './pricing-file'

/**
 * Adds a revision unless the newest one says the same; several processes that start on one file make
 * one. @returns whether it was added
 */
export async function appendRevision(tx: Db, content: Pricing, appliedAt: Date): Promise<boolean> {
  await tx.execute(sql`lock table ${pricingRevisions} in share row exclusive mode`)
  const rows = await tx
    .select({ isSame: sql<boolean>`content = ${JSON.stringify(content)}::jsonb` })
    .from(pricingRevisions)
    .orderBy(desc(pricingRevisions.revision))
    .limit(1)
  if (rows[0]?.isSame) return false
  await tx.insert(pricingRevisions).values({ content, appliedAt })
  return true
}
