import { sql } from 'drizzle-orm'
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
} from 'drizzle-orm/pg-core'
import { createdAt, instant } from '../columns'

/** A named right held by one process for a while; `token` grows with every holder. */
export const leases = pgTable('leases', {
  name: text('name').primaryKey(),
  holder: text('holder').notNull(),
  token: bigint('token', { mode: 'number' }).notNull(),
  expiresAt: instant('expires_at').notNull(),
})

/** Moves of a sandbox's clock: from `since` of the machine's clock on, it is so far ahead of it. */
export const sandboxClockMoves = pgTable('sandbox_clock_moves', {
  since: instant('since').primaryKey(),
  offsetMs: bigint('offset_ms', { mode: 'number' }).notNull(),
})

/** How each job's last run went. */
export const jobRuns = pgTable('job_runs', {
  name: text('name').primaryKey(),
  startedAt: instant('started_at').notNull(),
  ms: integer('ms').notNull(),
  /** What it did; null when it failed. */
  counts: jsonb('counts').$type<Record<string, number>>(),
  error: text('error'),
  runs: bigint('runs', { mode: 'number' }).notNull(),
  failures: bigint('failures', { mode: 'number' }).notNull(),
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
    /** What a retry needs to go on where the first try died; sealed for the same reason. */
    sealedDraft: text('sealed_draft'),
    /** Until when the running call is believed alive; no other call has the same, so it also fences a late one. */
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
