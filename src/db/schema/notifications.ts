import { sql } from 'drizzle-orm'
import { check, index, integer, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant, updatedAt } from '../columns'
import { users } from './identity'

export const ENDPOINT_STATUSES = ['active', 'disabled'] as const
/** `gone`: it answered 410. `failing`: days of nothing but failures. */
export const DISABLED_REASONS = ['owner', 'gone', 'failing'] as const

/** Where a user wants to be told of events. */
export const webhookEndpoints = pgTable(
  'webhook_endpoints',
  {
    id: idColumn('whe', 'id').primaryKey(),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    url: text('url').notNull(),
    description: text('description').notNull(),
    /** Names of events; null for all, those of later releases too. */
    events: text('events').array(),
    status: text('status', { enum: ENDPOINT_STATUSES }).notNull().default('active'),
    disabledReason: text('disabled_reason', { enum: DISABLED_REASONS }),
    /** Encrypted with VEIL_SECRET, since signing needs the secret itself. */
    sealedSecret: text('sealed_secret').notNull(),
    /** Signs beside the new one for a while after a rotation. */
    sealedOldSecret: text('sealed_old_secret'),
    oldSecretUntil: instant('old_secret_until'),
    /** First failure since the last success. */
    failingSince: instant('failing_since'),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index('webhook_endpoints_user').on(table.userId, table.createdAt, table.id),
    check(
      'webhook_endpoints_disabled',
      sql`(${table.status} = 'disabled') = (${table.disabledReason} is not null)`,
    ),
    check(
      'webhook_endpoints_old_secret',
      sql`(${table.sealedOldSecret} is null) = (${table.oldSecretUntil} is null)`,
    ),
  ],
)

export const DELIVERY_STATES = ['pending', 'succeeded', 'failed'] as const

/** One message for one endpoint, with how its last attempt went. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: idColumn('whd', 'id').primaryKey(),
    endpointId: idColumn('whe', 'endpoint_id')
      .notNull()
      .references(() => webhookEndpoints.id, { onDelete: 'cascade' }),
    /** The event that it tells of; sent as `webhook-id`. */
    messageId: idColumn('evt', 'message_id').notNull(),
    type: text('type').notNull(),
    /** The body, byte for byte the same in every attempt. */
    body: text('body').notNull(),
    state: text('state', { enum: DELIVERY_STATES }).notNull().default('pending'),
    attempts: integer('attempts').notNull().default(0),
    attemptedAt: instant('attempted_at'),
    durationMs: integer('duration_ms'),
    answerStatus: integer('answer_status'),
    /** The beginning of the receiver's answer. */
    answerBody: text('answer_body'),
    /** Why there was no answer. */
    lastError: text('last_error'),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('webhook_deliveries_once').on(table.endpointId, table.messageId),
    index('webhook_deliveries_endpoint').on(table.endpointId, table.createdAt, table.id),
    index('webhook_deliveries_age').on(table.createdAt),
    check(
      'webhook_deliveries_state_known',
      sql`${table.state} in ('pending','succeeded','failed')`,
    ),
  ],
)
