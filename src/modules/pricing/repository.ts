import { and, asc, desc, eq, getTableColumns, inArray, sql } from 'drizzle-orm'
import type { Db, Sql } from '#db/client'
import { apis } from '#db/schema/catalog'
import { pricingModels, pricingTiers, type RateLimit } from '#db/schema/pricing'
import type { Id } from '#lib/id'
import { type Charge, fromRows, type TierOfCharge, toRows } from './plan-charges'

type Row = typeof pricingModels.$inferSelect
type RowWithTiers = Row & { tiers: TierOfCharge[] }

/** A version of a plan with all its prices. */
export type Plan = Omit<Row, 'charges'> & { charges: Charge[] }
export type PlanInsert = Omit<typeof pricingModels.$inferInsert, 'charges'> & { charges: Charge[] }

/** The part of a plan that says what a period costs. */
export type Terms = Pick<
  Plan,
  | 'currency'
  | 'flatFee'
  | 'flatFeeTiming'
  | 'quotaLimit'
  | 'quotaHard'
  | 'overageRate'
  | 'charges'
  | 'minimumFee'
  | 'maximumFee'
>

const TIERS = `(select coalesce(json_agg(json_build_object('charge', charge, 'upTo', up_to,
  'unitRate', unit_rate::text, 'flatFee', pricing_tiers.flat_fee) order by charge, position), '[]')
  from pricing_tiers where pricing_model_id = pricing_models.id)`
const columns = { ...getTableColumns(pricingModels), tiers: sql<TierOfCharge[]>`${sql.raw(TIERS)}` }

const toPlan = ({ tiers, charges, ...row }: RowWithTiers): Plan => ({
  ...row,
  charges: fromRows(charges, tiers),
})

const selectPlans = (db: Db) => db.select(columns).from(pricingModels)

export async function findPlan(db: Db, id: Id<'plan'>): Promise<Plan | null> {
  const [row] = await selectPlans(db).where(eq(pricingModels.id, id))
  return row ? toPlan(row) : null
}

/** The current version of a plan by its slug. */
export async function findActivePlan(db: Db, apiId: Id<'api'>, slug: string): Promise<Plan | null> {
  const [row] = await selectPlans(db).where(
    and(
      eq(pricingModels.apiId, apiId),
      eq(pricingModels.slug, slug),
      eq(pricingModels.status, 'active'),
    ),
  )
  return row ? toPlan(row) : null
}

/** A plan that anyone may see: it belongs to a published API. */
export async function findPublicPlan(db: Db, id: Id<'plan'>): Promise<Plan | null> {
  const [row] = await selectPlans(db)
    .innerJoin(apis, eq(apis.id, pricingModels.apiId))
    .where(and(eq(pricingModels.id, id), eq(apis.status, 'published')))
  return row ? toPlan(row) : null
}

export async function listPublicPlans(db: Db, apiSlug: string): Promise<Plan[]> {
  const rows = await selectPlans(db)
    .innerJoin(apis, eq(apis.id, pricingModels.apiId))
    .where(
      and(eq(apis.slug, apiSlug), eq(apis.status, 'published'), eq(pricingModels.status, 'active')),
    )
    .orderBy(asc(pricingModels.flatFee), asc(pricingModels.id))
  return rows.map(toPlan)
}

/** The current version of every plan of an API, cheapest first. */
export async function listPlans(db: Db, apiId: Id<'api'>): Promise<Plan[]> {
  const rows = await selectPlans(db)
    .where(and(eq(pricingModels.apiId, apiId), eq(pricingModels.status, 'active')))
    .orderBy(asc(pricingModels.flatFee), asc(pricingModels.id))
  return rows.map(toPlan)
}

export async function findPlans(db: Db, ids: Id<'plan'>[]): Promise<Plan[]> {
  return (await selectPlans(db).where(inArray(pricingModels.id, ids))).map(toPlan)
}

/** The newest version, locked, so that two edits at once become two versions in a row. */
export async function lockNewest(
  db: Db,
  apiId: Id<'api'>,
  slug: string,
): Promise<Pick<Row, 'id' | 'status'> | null> {
  const [row] = await db
    .select({ id: pricingModels.id, status: pricingModels.status })
    .from(pricingModels)
    .where(and(eq(pricingModels.apiId, apiId), eq(pricingModels.slug, slug)))
    .orderBy(desc(pricingModels.version))
    .limit(1)
    .for('update')
  return row ?? null
}

/** To be called in a transaction: the plan and its prices are several rows. */
export async function insertPlan(tx: Db, { charges, ...plan }: PlanInsert): Promise<Plan> {
  const { terms, tiers } = toRows(charges)
  const [row] = await tx
    .insert(pricingModels)
    .values({ ...plan, charges: terms })
    .returning()
  if (!row) throw new Error('the inserted plan did not come back')
  if (tiers.length > 0)
    await tx.insert(pricingTiers).values(tiers.map((tier) => ({ ...tier, pricingModelId: row.id })))
  return { ...row, charges }
}

export async function archivePlan(db: Db, id: Id<'plan'>): Promise<void> {
  await db.update(pricingModels).set({ status: 'archived' }).where(eq(pricingModels.id, id))
}

/** What an edge holds of a plan; its id is as Postgres writes it. */
export type EdgeTerms = Terms & { id: string; rateLimits: RateLimit[] }

/** Terms of plans for whoever reads with postgres.js. */
export async function termsByIds(client: Sql, ids: string[]): Promise<EdgeTerms[]> {
  const rows = await client<(TermsRow & { id: string; rateLimits: RateLimit[] })[]>`
    select id, currency, flat_fee::text as "flatFee", flat_fee_timing as "flatFeeTiming",
      quota_limit::float8 as "quotaLimit", quota_hard as "quotaHard",
      overage_rate as "overageRate", charges, minimum_fee::text as "minimumFee",
      maximum_fee::text as "maximumFee", rate_limits as "rateLimits", ${client.unsafe(TIERS)} as tiers
    from pricing_models where id = any(${ids}::uuid[])`
  return rows.map(({ tiers, charges, flatFee, minimumFee, maximumFee, ...row }) => ({
    ...{ ...row, flatFee: BigInt(flatFee), charges: fromRows(charges, tiers) },
    minimumFee: minimumFee === null ? null : BigInt(minimumFee),
    maximumFee: maximumFee === null ? null : BigInt(maximumFee),
  }))
}

type TermsRow = Omit<Terms, 'charges' | 'flatFee' | 'minimumFee' | 'maximumFee'> &
  Pick<RowWithTiers, 'charges' | 'tiers'> & {
    flatFee: string
    minimumFee: string | null
    maximumFee: string | null
  }
