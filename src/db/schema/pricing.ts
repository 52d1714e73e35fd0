import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  numeric,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { BILLING_CYCLES } from '#lib/period'
import { createdAt, idColumn, instant } from '../columns'
import { apis } from './catalog'

export const PLAN_TYPES = ['free', 'freemium', 'flat', 'usage_based', 'hybrid'] as const

/** One number of calls per window; `per` says whose calls are counted together. */
export interface RateLimit {
  per: 'key' | 'subscription'
  limit: number
  window: 'second' | 'minute' | 'hour' | 'day'
}

/** Inclusive range of HTTP statuses. */
export interface StatusRange {
  from: number
  to: number
}

/** A plan of an API. A row is one immutable version; subscriptions keep theirs. */
export const pricingModels = pgTable(
  'pricing_models',
  {
    id: idColumn('plan', 'id').primaryKey(),
    apiId: idColumn('api', 'api_id')
      .notNull()
      .references(() => apis.id, { onDelete: 'cascade' }),
    slug: text('slug').notNull(),
    version: integer('version').notNull().default(1),
    name: text('name').notNull(),
    type: text('type', { enum: PLAN_TYPES }).notNull(),
    status: text('status', { enum: ['active', 'archived'] })
      .notNull()
      .default('active'),
    currency: text('currency').notNull(),
    billingCycle: text('billing_cycle', { enum: BILLING_CYCLES }).notNull(),
    /** Fee of one period in minor units, due in advance. */
    flatFee: bigint('flat_fee', { mode: 'bigint' }).notNull().default(sql`0`),
    trialDays: integer('trial_days').notNull().default(0),
    rateLimits: jsonb('rate_limits').$type<RateLimit[]>().notNull().default([]),
    /** Billable units of one period; null = no quota. */
    quotaLimit: bigint('quota_limit', { mode: 'number' }),
    quotaHard: boolean('quota_hard').notNull().default(true),
    /** Minor units for each unit beyond a soft quota, exact, may be a fraction of a cent. */
    overageRate: numeric('overage_rate', { precision: 30, scale: 12 }),
    billableStatuses: jsonb('billable_statuses').$type<StatusRange[]>().notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('pricing_models_version').on(table.apiId, table.slug, table.version),
    uniqueIndex('pricing_models_current')
      .on(table.apiId, table.slug)
      .where(sql`${table.status} = 'active'`),
    check('pricing_models_fee', sql`${table.flatFee} >= 0`),
    check('pricing_models_quota', sql`${table.quotaLimit} > 0`),
    check('pricing_models_currency', sql`${table.currency} ~ '^[A-Z]{3}$'`),
  ],
)

/** Price of usage: tiers in order, the last one open-ended. A per-unit price is a single tier. */
export const pricingTiers = pgTable(
  'pricing_tiers',
  {
    pricingModelId: idColumn('plan', 'pricing_model_id')
      .notNull()
      .references(() => pricingModels.id, { onDelete: 'cascade' }),
    position: integer('position').notNull(),
    /** Last unit of the tier; null = no end. */
    upTo: bigint('up_to', { mode: 'bigint' }),
    /** Minor units per unit, exact, may be a fraction of a cent. */
    unitRate: numeric('unit_rate', { precision: 30, scale: 12 }).notNull(),
    flatFee: bigint('flat_fee', { mode: 'bigint' }).notNull().default(sql`0`),
  },
  (table) => [
    primaryKey({ columns: [table.pricingModelId, table.position] }),
    check('pricing_tiers_rate', sql`${table.unitRate} >= 0`),
  ],
)

export const promotions = pgTable(
  'promotions',
  {
    id: idColumn('prm', 'id').primaryKey(),
    code: text('code').notNull().unique(),
    type: text('type', {
      enum: ['percentage', 'fixed', 'free_units', 'free_trial', 'tier_upgrade'],
    }).notNull(),
    value: numeric('value', { precision: 30, scale: 12 }).notNull(),
    currency: text('currency'),
    apiId: idColumn('api', 'api_id').references(() => apis.id, { onDelete: 'cascade' }),
    pricingModelId: idColumn('plan', 'pricing_model_id').references(() => pricingModels.id),
    maxUses: integer('max_uses'),
    maxUsesPerUser: integer('max_uses_per_user'),
    uses: integer('uses').notNull().default(0),
    priority: integer('priority').notNull().default(0),
    startsAt: instant('starts_at').notNull(),
    endsAt: instant('ends_at'),
    createdAt: createdAt(),
  },
  (table) => [
    check('promotions_period', sql`${table.endsAt} > ${table.startsAt}`),
    check('promotions_uses', sql`${table.uses} >= 0 and ${table.uses} <= ${table.maxUses}`),
    index('promotions_api').on(table.apiId),
  ],
)
