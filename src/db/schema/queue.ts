import { sql } from 'drizzle-orm'
import {
  bigint,
  index,
  integer,
  json,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant } from '../columns'

export interface AttemptError {
  at: string
  message: string
}

/** To the microsecond: what was published now must be due now, not half a millisecond later. */
const exactInstant = (name: string) => timestamp(name, { withTimezone: true })

/**
 * The hot table of the event queue. A row goes when its event is done. What a claim writes is in no
 * index, so that it stays a heap-only update.
 */
export const events = pgTable(
  'events',
  {
    /** Order of publication, by the database. */
    position: bigint('position', { mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    id: idColumn('evt', 'id').primaryKey(),
    /** 'infinity' while an older event of the ordering key is unfinished. */
    runAt: exactInstant('run_at').notNull(),
    createdAt: createdAt(),
    /** Fences the claim: who lost it cannot complete or fail the newer attempt. */
    claimToken: uuid('claim_token'),
    /** Set when it is done and kept only to hold its dedupe key until then. */
    doneUntil: exactInstant('done_until'),
    dedupeWindowMs: integer('dedupe_window_ms'),
    attempts: integer('attempts').notNull().default(0),
    /** Attempts during which the worker died. */
    crashes: smallint('crashes').notNull().default(0),
    /** The priority's negative: lower goes first. */
    rank: smallint('rank').notNull().default(0),
    type: text('type').notNull(),
    orderingKey: text('ordering_key'),
    dedupeKey: text('dedupe_key'),
    payload: json('payload').$type<unknown>().notNull(),
    errors: jsonb('errors').$type<AttemptError[]>().notNull().default([]),
  },
  (table) => [
    index('events_due').on(table.type, table.rank, table.runAt, table.position),
    index('events_ordering')
      .on(table.orderingKey, table.position)
      .where(sql`${table.orderingKey} is not null`),
    uniqueIndex('events_dedupe')
      .on(table.type, table.dedupeKey)
      .where(sql`${table.dedupeKey} is not null`),
    index('events_suspect').on(table.type).where(sql`${table.crashes} > 0`),
    index('events_done').on(table.doneUntil).where(sql`${table.doneUntil} is not null`),
  ],
)

/** One row for each batch that a worker holds: extending its lease is one small update. */
export const eventClaims = pgTable('event_claims', {
  token: uuid('token').primaryKey(),
  worker: uuid('worker').notNull(),
  leasedUntil: exactInstant('leased_until').notNull(),
  eventIds: uuid('event_ids').array().notNull(),
})

/** What was done, for types that ask for it, and whatever was cancelled. Partitioned by day. */
export const eventHistory = pgTable(
  'event_history',
  {
    id: idColumn('evt', 'id').notNull(),
    type: text('type').notNull(),
    state: text('state').$type<'done' | 'cancelled'>().notNull(),
    payload: json('payload').$type<unknown>().notNull(),
    priority: smallint('priority').notNull(),
    orderingKey: text('ordering_key'),
    dedupeKey: text('dedupe_key'),
    attempts: integer('attempts').notNull(),
    errors: jsonb('errors').$type<AttemptError[]>().notNull(),
    createdAt: instant('created_at').notNull(),
    finishedAt: instant('finished_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.finishedAt, table.id] }),
    index('event_history_id').on(table.id),
    index('event_history_created').on(table.createdAt, table.id),
  ],
)

/** What each statement added to the events that are not over, and took from them; merged now and then. */
export const eventCounts = pgTable('event_counts', {
  type: text('type').notNull(),
  waiting: bigint('waiting', { mode: 'number' }).notNull(),
  /** Events that were not added because their dedupe key was taken. */
  deduped: bigint('deduped', { mode: 'number' }).notNull().default(0),
})

/** How attempts ended, by minute and worker: rates without looking at the hot table. */
export const eventRates = pgTable(
  'event_rates',
  {
    minute: instant('minute').notNull(),
    worker: uuid('worker').notNull(),
    type: text('type').notNull(),
    done: bigint('done', { mode: 'number' }).notNull(),
    retried: bigint('retried', { mode: 'number' }).notNull(),
    dead: bigint('dead', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.minute, table.worker, table.type] })],
)

/** What was given up, with its reason and every attempt; nothing is ever dropped silently. */
export const deadLetters = pgTable(
  'dead_letters',
  {
    id: idColumn('dlq', 'id').primaryKey(),
    /** The event that died, or what else the letter is a part of. */
    eventId: text('event_id').notNull(),
    type: text('type').notNull(),
    payload: json('payload').$type<unknown>().notNull(),
    priority: smallint('priority').notNull().default(0),
    orderingKey: text('ordering_key'),
    dedupeKey: text('dedupe_key'),
    dedupeWindowMs: integer('dedupe_window_ms'),
    reason: text('reason').notNull(),
    attempts: integer('attempts').notNull(),
    errors: jsonb('errors').$type<AttemptError[]>().notNull(),
    firstAt: instant('first_at').notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    index('dead_letters_type').on(table.type, table.createdAt),
    index('dead_letters_created').on(table.createdAt, table.id),
  ],
)
