import { sql } from 'drizzle-orm'
import { check, index, pgTable, text } from 'drizzle-orm/pg-core'
import { bytea, createdAt, idColumn, instant, keyIdColumn, updatedAt, xid8 } from '../columns'
import { apis } from './catalog'
import { apiSubscriptions } from './subscriptions'

export const KEY_STATUSES = [
  'pending',
  'active',
  'failed_sync',
  'rotating',
  'revoked',
  'expired',
] as const
export type KeyStatus = (typeof KEY_STATUSES)[number]

export const apiKeys = pgTable(
  'api_keys',
  {
    id: keyIdColumn('id').primaryKey(),
    subscriptionId: idColumn('sub', 'subscription_id')
      .notNull()
      .references(() => apiSubscriptions.id),
    apiId: idColumn('api', 'api_id')
      .notNull()
      .references(() => apis.id),
    name: text('name').notNull(),
    /** SHA-256 of the secret part; the key itself is shown once and stored nowhere. */
    secretHash: bytea('secret_hash').notNull(),
    lastFour: text('last_four').notNull(),
    status: text('status', { enum: KEY_STATUSES }).notNull(),
    expiresAt: instant('expires_at'),
    revokedAt: instant('revoked_at'),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
    /** Set by a trigger on every write: the edge reads what changed since its last look. */
    changedXid: xid8('changed_xid').notNull().default(sql`pg_current_xact_id()`),
  },
  (table) => [
    check('api_keys_id_form', sql`${table.id} ~ '^[0-9A-Za-z]{12}$'`),
    check(
      'api_keys_status_known',
      sql`${table.status} in ('pending','active','failed_sync','rotating','revoked','expired')`,
    ),
    index('api_keys_subscription').on(table.subscriptionId, table.createdAt),
    index('api_keys_in_gateway')
      .on(table.apiId, table.id)
      .where(sql`${table.status} in ('pending','active','failed_sync','rotating')`),
    index('api_keys_changed').on(table.changedXid),
  ],
)
