import { and, asc, desc, eq, inArray } from 'drizzle-orm'
import type { Db } from '#db/client'
import { apis } from '#db/schema/catalog'
import { pricingModels } from '#db/schema/pricing'
import type { Id } from '#lib/id'

export type Plan = typeof pricingModels.$inferSelect
export type PlanInsert = typeof pricingModels.$inferInsert

export async function findPlan(db: Db, id: Id<'plan'>): Promise<Plan | null> {
  const [row] = await db.select().from(pricingModels).where(eq(pricingModels.id, id))
  return row ?? null
}

/** A plan that anyone may see: it belongs to a published API. */
export async function findPublicPlan(db: Db, id: Id<'plan'>): Promise<Plan | null> {
  const [row] = await db
    .select({ plan: pricingModels })
    .from(pricingModels)
    .innerJoin(apis, eq(apis.id, pricingModels.apiId))
    .where(and(eq(pricingModels.id, id), eq(apis.status, 'published')))
  return row?.plan ?? null
}

export async function listPublicPlans(db: Db, apiSlug: string): Promise<Plan[]> {
  const rows = await db
    .select({ plan: pricingModels })
    .from(pricingModels)
    .innerJoin(apis, eq(apis.id, pricingModels.apiId))
    .where(
      and(eq(apis.slug, apiSlug), eq(apis.status, 'published'), eq(pricingModels.status, 'active')),
    )
    .orderBy(asc(pricingModels.flatFee), asc(pricingModels.id))
  return rows.map(({ plan }) => plan)
}

/** The current version of every plan of an API, cheapest first. */
export function listPlans(db: Db, apiId: Id<'api'>): Promise<Plan[]> {
  return db
    .select()
    .from(pricingModels)
    .where(and(eq(pricingModels.apiId, apiId), eq(pricingModels.status, 'active')))
    .orderBy(asc(pricingModels.flatFee), asc(pricingModels.id))
}

export function findPlans(db: Db, ids: Id<'plan'>[]): Promise<Plan[]> {
  return db.select().from(pricingModels).where(inArray(pricingModels.id, ids))
}

/** The newest version, locked, so that two edits at once become two versions in a row. */
export async function lockNewest(db: Db, apiId: Id<'api'>, slug: string): Promise<Plan | null> {
  const [row] = await db
    .select()
    .from(pricingModels)
    .where(and(eq(pricingModels.apiId, apiId), eq(pricingModels.slug, slug)))
    .orderBy(desc(pricingModels.version))
    .limit(1)
    .for('update')
  return row ?? null
}

export async function insertPlan(db: Db, row: PlanInsert): Promise<Plan> {
  const [plan] = await db.insert(pricingModels).values(row).returning()
  if (!plan) throw new Error('the inserted plan did not come back')
  return plan
}

export async function archivePlan(db: Db, id: Id<'plan'>): Promise<void> {
  await db.update(pricingModels).set({ status: 'archived' }).where(eq(pricingModels.id, id))
}
