import { sql } from 'drizzle-orm'
import { check, index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant } from '../columns'

/** The durable log of the two-phase commit: one row per change that the gateway must take. */
export const gatewayCommits = pgTable(
  'gateway_commits',
  {
    id: idColumn('gwc', 'id').primaryKey(),
    kind: text('kind').notNull(),
    subjectId: text('subject_id').notNull(),
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
