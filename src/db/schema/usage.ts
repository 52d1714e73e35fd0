import {
  bigint,
  boolean,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  uuid,
} from 'drizzle-orm/pg-core'
import { idColumn, instant, keyIdColumn, updatedAt } from '../columns'
import { apiSubscriptions, billingPeriods } from './subscriptions'

/**
 * The ledger: one immutable row per call, partitioned by week of `at`. No foreign keys: the row
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
