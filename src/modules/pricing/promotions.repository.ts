import { and, count, desc, eq, gt, inArray, isNull, lt, ne, notInArray, or, sql } from 'drizzle-orm'
import { type Db, rawClient } from '#db/client'
import { olderThan } from '#db/paging'
import { apis } from '#db/schema/catalog'
import { pricingModels } from '#db/schema/pricing'
import { type PROMOTION_TYPES, promotionRedemptions, promotions } from '#db/schema/promotions'
import { apiSubscriptions } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { PageRequest } from '#lib/page'
import type { Promotion, Redeemer } from './promotion-conditions'

export type PromotionInsert = typeof promotions.$inferInsert

export async function findPromotion(db: Db, code: string): Promise<Promotion | null> {
  const [row] = await db.select().from(promotions).where(eq(promotions.code, code))
  return row ?? null
}

/** Locks it until the transaction ends, so that uses are counted one after the other. */
export async function lockPromotion(tx: Db, code: string): Promise<Promotion | null> {
  const [row] = await tx.select().from(promotions).where(eq(promotions.code, code)).for('update')
  return row ?? null
}

export function listPromotions(db: Db, page: PageRequest): Promise<Promotion[]> {
  return db
    .select()
    .from(promotions)
    .where(olderThan(promotions, page.after))
    .orderBy(desc(promotions.createdAt), desc(promotions.id))
    .limit(page.limit + 1)
}

export async function insertPromotion(db: Db, row: PromotionInsert): Promise<Promotion> {
  const [promotion] = await db.insert(promotions).values(row).returning()
  if (!promotion) throw new Error('the inserted promotion did not come back')
  return promotion
}

/** What there is to know of a subscription before it redeems a locked promotion. */
export async function redeemerOf(
  tx: Db,
  promotionId: Id<'prm'>,
  of: { userId: Id<'usr'>; subscriptionId: Id<'sub'>; isSubscribed: boolean },
): Promise<Redeemer> {
  const [used] = await tx
    .select({ uses: count() })
    .from(promotionRedemptions)
    .where(
      and(
        eq(promotionRedemptions.promotionId, promotionId),
        eq(promotionRedemptions.userId, of.userId),
      ),
    )
  const bought = await tx
    .select({ id: apiSubscriptions.id })
    .from(apiSubscriptions)
    .innerJoin(pricingModels, eq(pricingModels.id, apiSubscriptions.pricingModelId))
    .where(
      and(
        eq(apiSubscriptions.userId, of.userId),
        ne(apiSubscriptions.id, of.subscriptionId),
        ne(pricingModels.type, 'free'),
      ),
    )
    .limit(1)
  const others = await tx
    .select({ promotionId: promotions.id, stackable: promotions.stackable })
    .from(promotionRedemptions)
    .innerJoin(promotions, eq(promotions.id, promotionRedemptions.promotionId))
    .where(eq(promotionRedemptions.subscriptionId, of.subscriptionId))
  const { isSubscribed } = of
  return { uses: used?.uses ?? 0, hasBought: bought.length > 0, others, isSubscribed }
}

/** Counts the use and writes down what it is worth; the promotion must be locked. */
export async function insertRedemption(
  tx: Db,
  row: typeof promotionRedemptions.$inferInsert,
): Promise<void> {
  await tx.insert(promotionRedemptions).values(row)
  await tx
    .update(promotions)
    .set({ uses: sql`${promotions.uses} + 1` })
    .where(eq(promotions.id, row.promotionId))
}

/** Gives back what a subscription that never came to be has used. */
export async function deleteRedemptions(tx: Db, subscriptionId: Id<'sub'>): Promise<void> {
  const gone = await tx
    .delete(promotionRedemptions)
    .where(eq(promotionRedemptions.subscriptionId, subscriptionId))
    .returning({ promotionId: promotionRedemptions.promotionId })
  const ids = gone.map(({ promotionId }) => promotionId)
  if (ids.length > 0)
    await tx
      .update(promotions)
      .set({ uses: sql`${promotions.uses} - 1` })
      .where(inArray(promotions.id, ids))
}

/** Whose a subscription is, on which plan and whether it is over; held until the transaction ends. */
export async function lockSubscription(tx: Db, id: Id<'sub'>) {
  const [row] = await tx
    .select({
      userId: apiSubscriptions.userId,
      planId: apiSubscriptions.pricingModelId,
      isOver: sql<boolean>`${apiSubscriptions.status} in ('cancelled', 'expired')`,
    })
    .from(apiSubscriptions)
    .where(eq(apiSubscriptions.id, id))
    .for('update')
  return row ?? null
}

/** A redemption as it counts for a period. */
export interface PeriodRedemption {
  periodId: Id<'per'>
  code: string
  type: (typeof PROMOTION_TYPES)[number]
  value: string
}

/**
 * What counts for these periods, the highest priority first. It counts for periods that begin from the
 * redemption on, on the plan that it is bound to, and for as many cycles as it lasts; a cycle that was
 * cut into several periods is one, and a trial is none.
 */
export async function redemptionsOf(db: Db, ids: Id<'per'>[]): Promise<PeriodRedemption[]> {
  const uuids = `{${ids.map((id) => id.slice('per_'.length)).join(',')}}`
  const rows = await rawClient(db)<(Omit<PeriodRedemption, 'periodId'> & { period: string })[]>`
    select replace(period.id::text, '-', '') as period, promotion.code, redemption.type,
      redemption.value
    from billing_periods as period
    join pricing_models as plan on plan.id = period.pricing_model_id
    join promotion_redemptions as redemption on redemption.subscription_id = period.subscription_id
    join promotions as promotion on promotion.id = redemption.promotion_id
    where period.id = any (${uuids}::text::uuid[])
      and redemption.type <> 'free_trial'
      and redemption.redeemed_at <= period.starts_at
      and (redemption.plan_slug is null or redemption.plan_slug = plan.slug)
      and (redemption.cycles is null or redemption.cycles > (
        select count(distinct earlier.cycle_starts_at) from billing_periods as earlier
        where earlier.subscription_id = period.subscription_id and earlier.kind = 'regular'
          and earlier.starts_at >= redemption.redeemed_at and earlier.ordinal < period.ordinal
          and earlier.cycle_starts_at <> period.cycle_starts_at))
    order by period.id, redemption.priority desc, redemption.redeemed_at, redemption.id`
  return rows.map(({ period, ...rest }) => ({ ...rest, periodId: `per_${period}` }))
}

export async function apiIdOf(db: Db, slug: string): Promise<Id<'api'> | null> {
  const [row] = await db.select({ id: apis.id }).from(apis).where(eq(apis.slug, slug))
  return row?.id ?? null
}

/**
 * Writes a promotion of the file; one that says no beginning has begun. False when the code belongs to
 * one that an admin made.
 */
export async function upsertFilePromotion(
  db: Db,
  { startsAt, ...row }: Omit<PromotionInsert, 'startsAt'> & { startsAt: Date | null },
  now: Date,
): Promise<boolean> {
  const { id: _, createdAt: __, maxUses, ...changing } = row
  // What is over before it was ever in force began before it ended.
  const latest = row.endsAt && row.endsAt <= now ? new Date(row.endsAt.getTime() - 1) : now
  const written = await db
    .insert(promotions)
    .values({ ...row, startsAt: startsAt ?? latest })
    .onConflictDoUpdate({
      target: promotions.code,
      set: {
        ...changing,
        startsAt:
          startsAt ?? sql`least(${promotions.startsAt}, ${latest.toISOString()}::timestamptz)`,
        // Uses that were given stay given.
        maxUses: maxUses == null ? null : sql`greatest(${maxUses}::int, ${promotions.uses})`,
      },
      setWhere: eq(promotions.source, 'file'),
    })
    .returning({ id: promotions.id })
  return written.length === 1
}

/** Ends those that the file does not name any more. @returns how many */
export async function endFilePromotions(db: Db, kept: string[], now: Date): Promise<number> {
  const ended = await db
    .update(promotions)
    // A promotion ends after it begins.
    .set({ endsAt: sql`greatest(${now.toISOString()}::timestamptz, starts_at + interval '1 ms')` })
    .where(
      and(
        eq(promotions.source, 'file'),
        kept.length > 0 ? notInArray(promotions.code, kept) : undefined,
        or(isNull(promotions.endsAt), gt(promotions.endsAt, now)),
      ),
    )
    .returning({ id: promotions.id })
  return ended.length
}

/** Deletes what ended long ago and was never used. @returns how many */
export async function deleteUnused(db: Db, endedBefore: Date): Promise<number> {
  const gone = await db
    .delete(promotions)
    .where(
      and(
        lt(promotions.endsAt, endedBefore),
        sql`not exists (select from ${promotionRedemptions}
          where ${promotionRedemptions.promotionId} = ${promotions.id})`,
      ),
    )
    .returning({ id: promotions.id })
  return gone.length
}

/** Promotions whose count is not that of their redemptions. */
export async function miscounted(db: Db): Promise<string[]> {
  const rows = await db
    .select({ code: promotions.code })
    .from(promotions)
    .where(sql`${promotions.uses} <> ${usesOf}`)
  return rows.map(({ code }) => code)
}

const usesOf = sql`(select count(*) from ${promotionRedemptions}
  where ${promotionRedemptions.promotionId} = ${promotions.id})`

/** The promotion must be locked. */
export async function recount(tx: Db, id: Id<'prm'>): Promise<void> {
  await tx.update(promotions).set({ uses: usesOf }).where(eq(promotions.id, id))
}
