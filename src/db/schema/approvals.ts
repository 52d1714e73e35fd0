import { sql } from 'drizzle-orm'
import { check, index, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant, updatedAt } from '../columns'
import { users } from './identity'

export const APPROVAL_STATUSES = ['pending', 'approved', 'rejected', 'cancelled'] as const

export const approvals = pgTable(
  'approvals',
  {
    id: idColumn('apr', 'id').primaryKey(),
    kind: text('kind', {
      enum: ['provider_onboarding', 'price_rise', 'refund', 'takedown'],
    }).notNull(),
    subjectId: text('subject_id').notNull(),
    requesterId: idColumn('usr', 'requester_id')
      .notNull()
      .references(() => users.id),
    assigneeId: idColumn('usr', 'assignee_id').references(() => users.id),
    status: text('status', { enum: APPROVAL_STATUSES }).notNull().default('pending'),
    request: jsonb('request').$type<Record<string, unknown>>().notNull(),
    dueAt: instant('due_at'),
    decidedAt: instant('decided_at'),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index('approvals_queue').on(table.status, table.dueAt),
    index('approvals_requester').on(table.requesterId, table.createdAt),
    check(
      'approvals_decided',
      sql`(${table.status} in ('approved','rejected')) = (${table.decidedAt} is not null)`,
    ),
  ],
)

export const approvalComments = pgTable(
  'approval_comments',
  {
    id: idColumn('cmt', 'id').primaryKey(),
    approvalId: idColumn('apr', 'approval_id')
      .notNull()
      .references(() => approvals.id, { onDelete: 'cascade' }),
    authorId: idColumn('usr', 'author_id')
      .notNull()
      .references(() => users.id),
    body: text('body').notNull(),
    createdAt: createdAt(),
  },
  (table) => [index('approval_comments_approval').on(table.approvalId, table.createdAt)],
)

export const approvalHistory = pgTable(
  'approval_history',
  {
    id: idColumn('hst', 'id').primaryKey(),
    approvalId: idColumn('apr', 'approval_id')
      .notNull()
      .references(() => approvals.id, { onDelete: 'cascade' }),
    actorId: idColumn('usr', 'actor_id').references(() => users.id),
    action: text('action').notNull(),
    details: jsonb('details').$type<Record<string, unknown>>().notNull().default({}),
    createdAt: createdAt(),
  },
  (table) => [index('approval_history_approval').on(table.approvalId, table.createdAt)],
)
