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

export const PERIOD_KINDS = ['trial', 'regular'] as const

/** Why another plan waits for its time; what the provider arranged, the consumer cannot withdraw. */
export const PLAN_CHANGE_KINDS = ['upgrade', 'downgrade', 'migration'] as const
export type PlanChangeKind = (typeof PLAN_CHANGE_KINDS)[number]

/** `plan_change_credit`: unused part of the old plan; `plan_change_charge`: rest of the new one. */
export const ADJUSTMENT_CODES = [
  'plan_change_credit',
  'plan_change_charge',
  'cancellation_credit',
  'pause_credit',
  'manual',
] as const

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
    /** While trialing: when the trial ends by date; kept afterwards. Null: there never was one. */
    trialEndsAt: instant('trial_ends_at'),
    /** When its end was announced. */
    trialRemindedAt: instant('trial_reminded_at'),
    /** Set while the end is scheduled: the subscription is cancelled when this instant comes. */
    cancelAt: instant('cancel_at'),
    /** When it was asked to end. */
    cancelledAt: instant('cancelled_at'),
    /** When it did end; null while it lives. */
    endedAt: instant('ended_at'),
    pausedAt: instant('paused_at'),
    /** The plan that it gets at `scheduled_plan_at`, and why; all three or none. */
    scheduledPlanId: idColumn('plan', 'scheduled_plan_id').references(() => pricingModels.id),
    scheduledPlanAt: instant('scheduled_plan_at'),
    scheduledPlanKind: text('scheduled_plan_kind', { enum: PLAN_CHANGE_KINDS }),
    /** What is left of the plan's rate limits, in percent; lowered while an invoice is overdue. */
    rateLimitPercent: integer('rate_limit_percent').notNull().default(100),
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
    index('api_subscriptions_trial_due')
      .on(table.trialEndsAt)
      .where(sql`${table.status} = 'trialing'`),
    index('api_subscriptions_cancel_due').on(table.cancelAt).where(sql`${table.endedAt} is null`),
    index('api_subscriptions_ended').on(table.endedAt),
    index('api_subscriptions_plan_due').on(table.scheduledPlanAt),
    check('api_subscriptions_spend_cap', sql`${table.spendCap} >= 0`),
    check(
      'api_subscriptions_scheduled',
      sql`(${table.scheduledPlanId} is null) = (${table.scheduledPlanAt} is null)`,
    ),
    check(
      'api_subscriptions_scheduled_kind',
      sql`(${table.scheduledPlanId} is null) = (${table.scheduledPlanKind} is null)`,
    ),
    check('api_subscriptions_rate_percent', sql`${table.rateLimitPercent} between 1 and 100`),
    check(
      'api_subscriptions_status_known',
      sql`${table.status} in ('trialing','active','past_due','paused','suspended','cancelled','expired')`,
    ),
  ],
)

/**
 * Half-open `[starts_at, ends_at)`; the periods of a subscription follow each other without a hole,
 * except where it was paused or suspended. A period is a whole cycle of the plan, or the part of one that a plan change, a pause or an end
 * left of it: then `[starts_at, ends_at)` lies within `[cycle_starts_at, cycle_ends_at)`.
 */
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
    /** 0, 1, 2 …: the order of the periods of a subscription. */
    ordinal: integer('ordinal').notNull(),
    /** The n-th cycle after the anchor; periods cut from one cycle share it. */
    cycleIndex: integer('cycle_index').notNull(),
    cycleStartsAt: instant('cycle_starts_at').notNull(),
    cycleEndsAt: instant('cycle_ends_at').notNull(),
    startsAt: instant('starts_at').notNull(),
    endsAt: instant('ends_at').notNull(),
    kind: text('kind', { enum: PERIOD_KINDS }).notNull().default('regular'),
    /** What the plan's flat fee comes to for this period, in minor units; a share is taken already. */
    flatFee: bigint('flat_fee', { mode: 'bigint' }).notNull(),
    /**
     * What was charged otherwise for the time from `starts_at` to the end of the cycle, in minor units:
     * by the adjustments of a plan change, or with the period before. Unused, it is credited like the fee.
     */
    prepaidFee: bigint('prepaid_fee', { mode: 'bigint' }).notNull().default(sql`0`),
    /** Billable units that this period includes; null = no quota. */
    quotaLimit: bigint('quota_limit', { mode: 'number' }),
    status: text('status', { enum: ['open', 'closed', 'invoiced'] })
      .notNull()
      .default('open'),
    /** The invoice that has the fee due in advance. */
    advanceInvoiceId: idColumn('inv', 'advance_invoice_id'),
    /** The invoice that has the usage, and the fee due in arrears. */
    arrearsInvoiceId: idColumn('inv', 'arrears_invoice_id'),
    /** Units that invoices have charged so far; later ones become a line of the next invoice. */
    billedUnits: bigint('billed_units', { mode: 'number' }),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('billing_periods_ordinal').on(table.subscriptionId, table.ordinal),
    uniqueIndex('billing_periods_start').on(table.subscriptionId, table.startsAt),
    index('billing_periods_due').on(table.endsAt).where(sql`${table.status} = 'open'`),
    index('billing_periods_arrears_due').on(table.endsAt).where(sql`${table.status} = 'closed'`),
    index('billing_periods_advance_due')
      .on(table.startsAt)
      .where(sql`${table.advanceInvoiceId} is null and ${table.flatFee} > 0`),
    check('billing_periods_forward', sql`${table.endsAt} > ${table.startsAt}`),
    check(
      'billing_periods_within_cycle',
      sql`${table.startsAt} >= ${table.cycleStartsAt} and ${table.endsAt} <= ${table.cycleEndsAt}`,
    ),
    check('billing_periods_fee', sql`${table.flatFee} >= 0`),
    check('billing_periods_kind_known', sql`${table.kind} in ('trial','regular')`),
  ],
)

/** Credits and charges that a change of a subscription made; each waits for the next invoice. */
export const subscriptionAdjustments = pgTable(
  'subscription_adjustments',
  {
    id: idColumn('adj', 'id').primaryKey(),
    subscriptionId: idColumn('sub', 'subscription_id')
      .notNull()
      .references(() => apiSubscriptions.id, { onDelete: 'cascade' }),
    /** The period that the change cut. */
    billingPeriodId: idColumn('per', 'billing_period_id')
      .notNull()
      .references(() => billingPeriods.id),
    code: text('code', { enum: ADJUSTMENT_CODES }).notNull(),
    description: text('description').notNull(),
    currency: text('currency').notNull(),
    /** Minor units before tax; below 0 for a credit. */
    amount: bigint('amount', { mode: 'bigint' }).notNull(),
    /** Formula and inputs, so that the same computation can be made again. */
    explain: text('explain').notNull(),
    /** The invoice that has it; null while it waits. */
    invoiceId: idColumn('inv', 'invoice_id'),
    createdAt: createdAt(),
  },
  (table) => [
    index('subscription_adjustments_waiting')
      .on(table.subscriptionId)
      .where(sql`${table.invoiceId} is null`),
    index('subscription_adjustments_subscription').on(table.subscriptionId, table.createdAt),
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
      enum: [
        'subscribed',
        'upgrade',
        'downgrade',
        'migration',
        'renewal',
        'trial_ended',
        'paused',
        'resumed',
        'past_due',
        'rate_limited',
        'suspended',
        'reinstated',
        'change_scheduled',
        'change_withdrawn',
        'cancelled',
        'expired',
      ],
    }).notNull(),
    effectiveAt: instant('effective_at').notNull(),
    details: jsonb('details').$type<Record<string, unknown>>().notNull().default({}),
    createdAt: createdAt(),
  },
  (table) => [
    index('subscription_pricing_history_subscription').on(table.subscriptionId, table.effectiveAt),
  ],
)
