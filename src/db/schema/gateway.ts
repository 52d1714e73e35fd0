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
import { createdAt, idColumn, instant } from '../columns'

/** The durable log of the two-phase commit: one row per change that the gateway must take. */
export const gatewayCommits = pgTable(
  'gateway_commits',
  {
    id: idColumn('gwc', 'id').primaryKey(),
    kind: text('kind').notNull(),
    subjectId: text('subject_id').notNull(),
    /** The API whose route carries the change. */
    apiId: idColumn('api', 'api_id'),
    state: text('state', { enum: ['preparing', 'committed', 'rolled_back'] }).notNull(),
    attempt: integer('attempt').notNull().default(0),
    /** What the participant needs to undo the change. */
    undo: jsonb('undo').$type<Record<string, unknown>>().notNull().default({}),
    /** Revision of the configuration that carried the change. */
    revision: text('revision'),
    error: text('error'),
    createdAt: createdAt(),
    deadlineAt: instant('deadline_at').notNull(),
    finishedAt: instant('finished_at'),
  },
  (table) => [
    // One change of a subject at a time; a crash frees it when recovery settles the row.
    uniqueIndex('gateway_commits_open_subject')
      .on(table.subjectId)
      .where(sql`${table.state} = 'preparing'`),
    index('gateway_commits_in_doubt').on(table.deadlineAt).where(sql`${table.state} = 'preparing'`),
    check(
      'gateway_commits_finished',
      sql`(${table.state} = 'preparing') = (${table.finishedAt} is null)`,
    ),
  ],
)

/** Where a gateway served something else than the database said. */
export interface Drift {
  kind: 'missing' | 'stale' | 'orphan'
  /** Id of the API or the key; its public part for a key. */
  subjectId: string
}

/** What the last comparison of each gateway with the database found, and how much since the start. */
export const gatewayDrift = pgTable('gateway_drift', {
  gatewayId: text('gateway_id').primaryKey(),
  checkedAt: instant('checked_at').notNull(),
  missing: integer('missing').notNull(),
  stale: integer('stale').notNull(),
  orphan: integer('orphan').notNull(),
  /** Of the last comparison that found any; the first thousand. */
  drifts: jsonb('drifts').$type<Drift[]>().notNull(),
  driftedAt: instant('drifted_at'),
  /** Drifts of all comparisons so far: zero where all is well. */
  total: bigint('total', { mode: 'number' }).notNull(),
})
