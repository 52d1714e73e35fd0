import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  numeric,
  pgTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant } from '../columns'
import { apis } from './catalog'
import { users } from './identity'
import { apiSubscriptions } from './subscriptions'

export const PROMOTION_TYPES = [
  'percentage',
  'fixed',
  'free_units',
  'free_trial',
  'tier_upgrade',
] as const

/** What a code is worth, to whom and for how long. */
export const promotions = pgTable(
  'promotions',
  {
    id: idColumn('prm', 'id').primaryKey(),
    code: text('code').notNull().unique(),
    /** Where it is written: the operator's file owns those that it names. */
    source: text('source', { enum: ['file', 'admin'] })
      .notNull()
      .default('admin'),
    description: text('description'),
    type: text('type', { enum: PROMOTION_TYPES }).notNull(),
    /** Percent, minor units, units or days, by type; 0 for a tier upgrade. */
    value: numeric('value', { precision: 30, scale: 12 }).notNull(),
    currency: text('currency'),
    /** How many cycles a discount lasts; null = as long as the subscription. */
    cycles: integer('cycles'),
    /** Conditions; null = any. A plan is meant by its slug, in all its versions. */
    apiId: idColumn('api', 'api_id').references(() => apis.id, { onDelete: 'cascade' }),
    planSlug: text('plan_slug'),
    firstPurchase: boolean('first_purchase').notNull().default(false),
    /** Least flat fee of the plan, in minor units. */
    minimumFee: bigint('minimum_fee', { mode: 'bigint' }),
    /** For a tier upgrade: the plan that is given in place of the one that is paid for. */
    upgradeTo: text('upgrade_to'),
    maxUses: integer('max_uses'),
    maxUsesPerUser: integer('max_uses_per_user'),
    uses: integer('uses').notNull().default(0),
    /** Whether a subscription may have it beside others. */
    stackable: boolean('stackable').notNull().default(true),
    /** Of several the highest applies first. */
    priority: integer('priority').notNull().default(0),
    startsAt: instant('starts_at').notNull(),
    endsAt: instant('ends_at'),
    createdAt: createdAt(),
  },
  (table) => [
    check('promotions_period', sql`${table.endsAt} > ${table.startsAt}`),
    check('promotions_uses', sql`${table.uses} >= 0 and ${table.uses} <= ${table.maxUses}`),
    check('promotions_value', sql`${table.value} >= 0`),
    index('promotions_api').on(table.apiId),
  ],
)

/** A use of a code, with what it was worth then: invoices are made of this, not of the promotion. */
export const promotionRedemptions = pgTable(
  'promotion_redemptions',
  {
    id: idColumn('red', 'id').primaryKey(),
    promotionId: idColumn('prm', 'promotion_id')
      .notNull()
      .references(() => promotions.id),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id),
    subscriptionId: idColumn('sub', 'subscription_id')
      .notNull()
      .references(() => apiSubscriptions.id, { onDelete: 'cascade' }),
    type: text('type', { enum: PROMOTION_TYPES }).notNull(),
    /** As of the promotion; for a tier upgrade what it saves a cycle, in minor units. */
    value: numeric('value', { precision: 30, scale: 12 }).notNull(),
    /** The plan that it is bound to; null = any. */
    planSlug: text('plan_slug'),
    cycles: integer('cycles'),
    priority: integer('priority').notNull(),
    /** It counts for periods that begin from here on. */
    redeemedAt: instant('redeemed_at').notNull(),
  },
  (table) => [
    uniqueIndex('promotion_redemptions_once').on(table.subscriptionId, table.promotionId),
    index('promotion_redemptions_user').on(table.promotionId, table.userId),
  ],
)
