import { sql } from 'drizzle-orm'
import { check, index, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant } from '../columns'

/** `kept`: no mail server was set when it was due, so an admin reads it here. */
export const MAIL_STATES = ['queued', 'sent', 'failed', 'kept'] as const

/** Every mail, written with what it tells of and sent afterwards. */
export const outboxMails = pgTable(
  'outbox_mails',
  {
    id: idColumn('mail', 'id').primaryKey(),
    /** What it tells, and to whom: the same news for the same person is one mail. */
    dedupeKey: text('dedupe_key').notNull().unique(),
    toAddress: text('to_address').notNull(),
    subject: text('subject').notNull(),
    text: text('text').notNull(),
    /** The id of what is attached, which is made when the mail is sent; null for none. */
    attachment: text('attachment'),
    state: text('state', { enum: MAIL_STATES }).notNull().default('queued'),
    attempts: integer('attempts').notNull().default(0),
    /** Of the last attempt, in the words of the mail server. */
    lastError: text('last_error'),
    sentAt: instant('sent_at'),
    createdAt: createdAt(),
  },
  (table) => [
    index('outbox_mails_newest').on(table.createdAt, table.id),
    check('outbox_mails_state_known', sql`${table.state} in ('queued','sent','failed','kept')`),
  ],
)
