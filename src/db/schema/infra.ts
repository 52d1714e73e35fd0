import { sql } from 'drizzle-orm'
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant } from '../columns'

export interface AttemptError {
  at: string
  message: string
}

/** The hot table of the event queue; a row is deleted when it is done. */
export const events = pgTable(
  'events',
  {
    id: idColumn('evt', 'id').primaryKey(),
    type: text('type').notNull(),
    payload: jsonb('payload').$type<unknown>().notNull(),
    priority: smallint('priority').notNull().default(0),
    dedupeKey: text('dedupe_key'),
    runAt: instant('run_at').notNull(),
    attempts: integer('attempts').notNull().default(0),
    /** Fences the claim: who lost it cannot complete or fail the newer attempt. */
    claimToken: uuid('claim_token'),
    claimedUntil: instant('claimed_until'),
    errors: jsonb('errors').$type<AttemptError[]>().notNull().default([]),
    createdAt: createdAt(),
  },
  (table) => [
    index('events_claim').on(table.priority.desc(), table.runAt, table.id),
    uniqueIndex('events_dedupe').on(table.type, table.dedupeKey),
  ],
)

/** What was given up, with its reason and every attempt; nothing is ever dropped silently. */
export const deadLetters = pgTable(
  'dead_letters',
  {
    id: idColumn('dlq', 'id').primaryKey(),
    eventId: text('event_id').notNull(),
    type: text('type').notNull(),
    payload: jsonb('payload').$type<unknown>().notNull(),
    reason: text('reason').notNull(),
    attempts: integer('attempts').notNull(),
    errors: jsonb('errors').$type<AttemptError[]>().notNull(),
    firstAt: instant('first_at').notNull(),
    createdAt: createdAt(),
  },
  (table) => [index('dead_letters_type').on(table.type, table.createdAt)],
)

/** A named right held by one process for a while; `token` grows with every holder. */
export const leases = pgTable('leases', {
  name: text('name').primaryKey(),
  holder: text('holder').notNull(),
  token: bigint('token', { mode: 'number' }).notNull(),
  expiresAt: instant('expires_at').notNull(),
})

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    /** Whose key it is: one caller's key never answers another. */
    scope: text('scope').notNull(),
    key: text('key').notNull(),
    /** SHA-256 over method, path and body. */
    fingerprint: text('fingerprint').notNull(),
    /** Status, headers and body, sealed: an answer may hold a key that is shown once. */
    sealedAnswer: text('sealed_answer'),
    /** Until when the running call is believed alive. */
    lockedUntil: instant('locked_until').notNull(),
    expiresAt: instant('expires_at').notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.scope, table.key] }),
    index('idempotency_keys_expiry').on(table.expiresAt),
  ],
)

/** Who changed what about money, keys and roles. Rows are only ever added. */
export const auditLog = pgTable(
  'audit_log',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: instant('at').notNull(),
    actorId: text('actor_id'),
    action: text('action').notNull(),
    subjectId: text('subject_id').notNull(),
    requestId: text('request_id'),
    details: jsonb('details').$type<Record<string, unknown>>().notNull().default({}),
  },
  (table) => [
    index('audit_log_subject').on(table.subjectId, table.at),
    check('audit_log_action_form', sql`${table.action} ~ '^[a-z-]+\\.[a-z-]+$'`),
  ],
)
