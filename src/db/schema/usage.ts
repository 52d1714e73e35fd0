import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  uuid,
} from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant, keyIdColumn, updatedAt } from '../columns'
import { apiSubscriptions, billingPeriods } from './subscriptions'

/**
 * The ledger: one immutable row per call, partitioned by week of `at`; a trigger refuses UPDATE and
 * DELETE, old partitions are dropped whole. No foreign keys: the row
 * outlives what it names, and a check per inserted row would cost more than the insert.
 */
export const usageRecords = pgTable(
  'usage_records',
  {
    subscriptionId: idColumn('sub', 'subscription_id').notNull(),
    at: instant('at').notNull(),
    /** The request id that the gateway gave the call. */
    id: uuid('id').notNull(),
    gatewayId: text('gateway_id').notNull(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    apiId: idColumn('api', 'api_id').notNull(),
    keyId: keyIdColumn('key_id').notNull(),
    billingPeriodId: idColumn('per', 'billing_period_id').notNull(),
    method: text('method').notNull(),
    path: text('path').notNull(),
    status: smallint('status').notNull(),
    durationMs: integer('duration_ms').notNull(),
    requestBytes: bigint('request_bytes', { mode: 'number' }).notNull(),
    responseBytes: bigint('response_bytes', { mode: 'number' }).notNull(),
    billable: boolean('billable').notNull(),
    units: integer('units').notNull(),
  },
  (table) => [primaryKey({ columns: [table.subscriptionId, table.at, table.id] })],
)

/** What one subscription used in one billing period; moves in the transaction of its records. */
export const usageCounters = pgTable(
  'usage_counters',
  {
    subscriptionId: idColumn('sub', 'subscription_id')
      .notNull()
      .references(() => apiSubscriptions.id, { onDelete: 'cascade' }),
    billingPeriodId: idColumn('per', 'billing_period_id')
      .notNull()
      .references(() => billingPeriods.id, { onDelete: 'cascade' }),
    /** All calls that were let through, billable or not. */
    calls: bigint('calls', { mode: 'number' }).notNull(),
    errors: bigint('errors', { mode: 'number' }).notNull(),
    /** Billable units. */
    units: bigint('units', { mode: 'number' }).notNull(),
    updatedAt: updatedAt(),
  },
  (table) => [primaryKey({ columns: [table.subscriptionId, table.billingPeriodId] })],
)

/** Hourly rollup per key, partitioned by month of `hour`. */
export const apiUsageAnalytics = pgTable(
  'api_usage_analytics',
  {
    subscriptionId: idColumn('sub', 'subscription_id').notNull(),
    hour: instant('hour').notNull(),
    keyId: keyIdColumn('key_id').notNull(),
    apiId: idColumn('api', 'api_id').notNull(),
    calls: bigint('calls', { mode: 'number' }).notNull(),
    errors: bigint('errors', { mode: 'number' }).notNull(),
    units: bigint('units', { mode: 'number' }).notNull(),
    durationMs: bigint('duration_ms', { mode: 'number' }).notNull(),
    requestBytes: bigint('request_bytes', { mode: 'number' }).notNull(),
    responseBytes: bigint('response_bytes', { mode: 'number' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.subscriptionId, table.hour, table.keyId] }),
    index('api_usage_analytics_api').on(table.apiId, table.hour),
  ],
)

/** Hourly rollup per API and operation, partitioned by month of `hour`. */
export const apiOperationAnalytics = pgTable(
  'api_operation_analytics',
  {
    apiId: idColumn('api', 'api_id').notNull(),
    hour: instant('hour').notNull(),
    /** Method and path with ids replaced, `GET /weather/{id}`; `(other)` for those beyond the limit. */
    operation: text('operation').notNull(),
    calls: bigint('calls', { mode: 'number' }).notNull(),
    clientErrors: bigint('client_errors', { mode: 'number' }).notNull(),
    serverErrors: bigint('server_errors', { mode: 'number' }).notNull(),
    durationMs: bigint('duration_ms', { mode: 'number' }).notNull(),
    requestBytes: bigint('request_bytes', { mode: 'number' }).notNull(),
    responseBytes: bigint('response_bytes', { mode: 'number' }).notNull(),
    /** Calls by bucket of duration, the buckets of modules/usage/histogram.ts; added by add_counts. */
    latency: integer('latency').array().notNull(),
  },
  (table) => [primaryKey({ columns: [table.apiId, table.hour, table.operation] })],
)

/** What a running period will have used at its end if it goes on as so far; written by a job. */
export const usageProjections = pgTable('usage_projections', {
  billingPeriodId: idColumn('per', 'billing_period_id')
    .primaryKey()
    .references(() => billingPeriods.id, { onDelete: 'cascade' }),
  units: bigint('units', { mode: 'number' }).notNull(),
  asOf: instant('as_of').notNull(),
  /** When it was told that the quota, or the spend cap, will be reached. */
  quotaToldAt: instant('quota_told_at'),
  spendCapToldAt: instant('spend_cap_told_at'),
})

/** One row for each batch that was accepted and is not booked yet, so that the backlog is a short sum. */
export const usageBacklog = pgTable('usage_backlog', {
  eventId: idColumn('evt', 'event_id').primaryKey(),
  calls: integer('calls').notNull(),
  createdAt: createdAt(),
})

/**
 * One row whose version grows, by a trigger, when a billing period is cut, moved or deleted: what the
 * recorder remembers of periods is good as long as the version is the one that it saw.
 */
export const billingPeriodsVersion = pgTable(
  'billing_periods_version',
  {
    only: boolean('only').primaryKey().default(true),
    version: bigint('version', { mode: 'number' }).notNull(),
  },
  (table) => [check('billing_periods_version_single', sql`${table.only}`)],
)
