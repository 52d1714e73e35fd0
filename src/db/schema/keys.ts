import { sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
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

/** What a key is limited to; an empty list limits nothing. */
export interface KeyScope {
  /** `METHOD /path`, as modules/keys/scope.ts has them. */
  operations: string[]
  /** Addresses and CIDR ranges. */
  addresses: string[]
}

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
    /** Null: for everything that the subscription may. */
    scope: jsonb('scope').$type<KeyScope>(),
    /** Of a rotating key the end of its grace. */
    expiresAt: instant('expires_at'),
    /** Days after which the owner wants to have rotated it; null: no reminders. */
    rotateAfterDays: integer('rotate_after_days'),
    /** The last reminder given: days before the rotation is due, 0 for overdue. */
    rotationRemindedAt: integer('rotation_reminded_at'),
    rotatedAt: instant('rotated_at'),
    /** The key that this one was made to succeed. */
    predecessorId: keyIdColumn('predecessor_id').references((): AnyPgColumn => apiKeys.id),
    revokedAt: instant('revoked_at'),
    /** Out of its owner's sight; the row stays, for calls that are counted later. */
    deletedAt: instant('deleted_at'),
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
    // Two rotations at once: one successor.
    uniqueIndex('api_keys_successor').on(table.predecessorId),
    index('api_keys_expiring')
      .on(table.expiresAt)
      .where(
        sql`${table.status} in ('active','failed_sync','rotating') and expires_at is not null`,
      ),
    index('api_keys_rotation')
      .on(table.id)
      .where(sql`${table.status} = 'active' and rotate_after_days is not null`),
  ],
)
