import { sql } from 'drizzle-orm'
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant, updatedAt, xid8 } from '../columns'
import { apis } from './catalog'
import { users } from './identity'
import { pricingModels } from './pricing'

export const SUBSCRIPTION_STATUSES = [
  'trialing',
  'active',
  'past_due',
  'paused',
  'suspended',
  'cancelled',
  'expired',
] as const
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number]

export const apiSubscriptions = pgTable(
  'api_subscriptions',
  {
    id: idColumn('sub', 'id').primaryKey(),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id),
    apiId: idColumn('api', 'api_id')
      .notNull()
      .references(() => apis.id),
    pricingModelId: idColumn('plan', 'pricing_model_id')
      .notNull()
      .references(() => pricingModels.id),
    status: text('status', { enum: SUBSCRIPTION_STATUSES }).notNull(),
    /** First instant of the first period; every later period is counted from it. */
    anchorAt: instant('anchor_at').notNull(),
    cancelledAt: instant('cancelled_at'),
    /** The most that a period may cost, in minor units of the plan's currency; null = no cap. */
    spendCap: bigint('spend_cap', { mode: 'number' }),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
    /** Set by a trigger on every write: the edge reads what changed since its last look. */
    changedXid: xid8('changed_xid').notNull().default(sql`pg_current_xact_id()`),
  },
  (table) => [
    uniqueIndex('api_subscriptions_live')
      .on(table.userId, table.apiId)
      .where(sql`${table.status} not in ('cancelled','expired')`),
    index('api_subscriptions_user').on(table.userId, table.createdAt, table.id),
    index('api_subscriptions_api').on(table.apiId, table.createdAt, table.id),
    index('api_subscriptions_changed').on(table.changedXid),
    check('api_subscriptions_spend_cap', sql`${table.spendCap} >= 0`),
    check(
      'api_subscriptions_status_known',
      sql`${table.status} in ('trialing','active','past_due','paused','suspended','cancelled','expired')`,
    ),
  ],
)

/** Half-open `[starts_at, ends_at)`; `ordinal` n is the n-th period after the anchor. */
export const billingPeriods = pgTable(
  'billing_periods',
  {
    id: idColumn('per', 'id').primaryKey(),
    subscriptionId: idColumn('sub', 'subscription_id')
      .notNull()
      .references(() => apiSubscriptions.id, { onDelete: 'cascade' }),
    pricingModelId: idColumn('plan', 'pricing_model_id')
      .notNull()
      .references(() => pricingModels.id),
    ordinal: integer('ordinal').notNull(),
    startsAt: instant('starts_at').notNull(),
    endsAt: instant('ends_at').notNull(),
    status: text('status', { enum: ['open', 'closed', 'invoiced'] })
      .notNull()
      .default('open'),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('billing_periods_ordinal').on(table.subscriptionId, table.ordinal),
    uniqueIndex('billing_periods_start').on(table.subscriptionId, table.startsAt),
    index('billing_periods_due').on(table.endsAt).where(sql`${table.status} = 'open'`),
    check('billing_periods_forward', sql`${table.endsAt} > ${table.startsAt}`),
  ],
)

/** Which plan a subscription had from when, and why it changed. */
export const subscriptionPricingHistory = pgTable(
  'subscription_pricing_history',
  {
    id: idColumn('hst', 'id').primaryKey(),
    subscriptionId: idColumn('sub', 'subscription_id')
      .notNull()
      .references(() => apiSubscriptions.id, { onDelete: 'cascade' }),
    pricingModelId: idColumn('plan', 'pricing_model_id')
      .notNull()
      .references(() => pricingModels.id),
    reason: text('reason', {
      enum: ['subscribed', 'upgrade', 'downgrade', 'migration', 'renewal'],
    }).notNull(),
    effectiveAt: instant('effective_at').notNull(),
    details: jsonb('details').$type<Record<string, unknown>>().notNull().default({}),
    createdAt: createdAt(),
  },
  (table) => [
    index('subscription_pricing_history_subscription').on(table.subscriptionId, table.effectiveAt),
  ],
)
