import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
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

export const CHARGE_MODELS = ['per_unit', 'graduated', 'volume', 'package'] as const
export const FLAT_FEE_TIMINGS = ['advance', 'arrears'] as const
export const PRORATION_MODES = [
  'time',
  'consumption',
  'max_of_both',
  'none',
  'full_reset',
  'next_period',
] as const
export const REFUND_POLICIES = ['none', 'time', 'consumption'] as const

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

/** A price of usage without its amounts, which are rows of `pricing_tiers`. */
export interface ChargeTerms {
  model: (typeof CHARGE_MODELS)[number]
  /** Units of a whole cycle that cost nothing by this charge. */
  freeUnits: number
  /** Units in a package; null for other models. */
  packageSize: number | null
}

/** What a call of an operation counts; `operation` is a pattern such as `POST /images/**`. */
export interface OperationWeight {
  operation: string
  units: number
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
    /** Fee of one cycle in minor units. */
    flatFee: bigint('flat_fee', { mode: 'bigint' }).notNull().default(sql`0`),
    flatFeeTiming: text('flat_fee_timing', { enum: FLAT_FEE_TIMINGS }).notNull().default('advance'),
    charges: jsonb('charges').$type<ChargeTerms[]>().notNull().default([]),
    /** What the usage of a cycle costs at least and at most, the flat fee aside, in minor units. */
    minimumFee: bigint('minimum_fee', { mode: 'bigint' }),
    maximumFee: bigint('maximum_fee', { mode: 'bigint' }),
    /** 0: no trial. */
    trialDays: integer('trial_days').notNull().default(0),
    /** Billable units after which a trial ends before its date; null = it ends by date alone. */
    trialUnits: bigint('trial_units', { mode: 'number' }),
    trialCardRequired: boolean('trial_card_required').notNull().default(false),
    prorationMode: text('proration_mode', { enum: PRORATION_MODES }).notNull().default('time'),
    refundPolicy: text('refund_policy', { enum: REFUND_POLICIES }).notNull().default('none'),
    rateLimits: jsonb('rate_limits').$type<RateLimit[]>().notNull().default([]),
    /** Billable units of one period; null = no quota. */
    quotaLimit: bigint('quota_limit', { mode: 'number' }),
    quotaHard: boolean('quota_hard').notNull().default(true),
    /** Minor units for each unit beyond a soft quota, exact, may be a fraction of a cent. */
    overageRate: numeric('overage_rate', { precision: 30, scale: 12 }),
    billableStatuses: jsonb('billable_statuses').$type<StatusRange[]>().notNull(),
    /** The first that matches a billable call says how many units it counts; without one it is 1. */
    operationWeights: jsonb('operation_weights').$type<OperationWeight[]>().notNull().default([]),
    /** The age at which keys are rotated by themselves; null = never. */
    rotateKeysAfterDays: integer('rotate_keys_after_days'),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('pricing_models_version').on(table.apiId, table.slug, table.version),
    uniqueIndex('pricing_models_current')
      .on(table.apiId, table.slug)
      .where(sql`${table.status} = 'active'`),
    check('pricing_models_fee', sql`${table.flatFee} >= 0`),
    check('pricing_models_quota', sql`${table.quotaLimit} > 0`),
    check('pricing_models_bounds', sql`0 <= ${table.minimumFee} and 0 <= ${table.maximumFee}`),
    check('pricing_models_bounds_order', sql`${table.minimumFee} <= ${table.maximumFee}`),
    check('pricing_models_trial', sql`${table.trialDays} >= 0 and ${table.trialUnits} > 0`),
    check('pricing_models_currency', sql`${table.currency} ~ '^[A-Z]{3}$'`),
  ],
)

/**
 * The amounts of a plan's charges: tiers in order, the last one open-ended. A price per unit is a single
 * tier with a rate, one per package a single tier with a fee.
 */
export const pricingTiers = pgTable(
  'pricing_tiers',
  {
    pricingModelId: idColumn('plan', 'pricing_model_id')
      .notNull()
      .references(() => pricingModels.id, { onDelete: 'cascade' }),
    /** Which of the plan's charges, from 0. */
    charge: integer('charge').notNull().default(0),
    position: integer('position').notNull(),
    /** Last unit of the tier; null = no end. */
    upTo: bigint('up_to', { mode: 'number' }),
    /** Minor units per unit, exact, may be a fraction of a cent. */
    unitRate: numeric('unit_rate', { precision: 30, scale: 12 }).notNull(),
    /** Minor units, once for reaching the tier; for a package its price. */
    flatFee: bigint('flat_fee', { mode: 'number' }).notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.pricingModelId, table.charge, table.position] }),
    check('pricing_tiers_rate', sql`${table.unitRate} >= 0`),
    check('pricing_tiers_fee', sql`${table.flatFee} >= 0`),
    check('pricing_tiers_bound', sql`${table.upTo} > 0`),
  ],
)

/** Each version of the operator's prices that was put in force, the newest last. */
export const pricingRevisions = pgTable('pricing_revisions', {
  revision: integer('revision').primaryKey().generatedAlwaysAsIdentity(),
  content: jsonb('content').$type<unknown>().notNull(),
  appliedAt: instant('applied_at').notNull(),
})
