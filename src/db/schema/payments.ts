import { sql } from 'drizzle-orm'
import { check, index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant } from '../columns'
import { users } from './identity'

/** Who a user is at the payment provider. */
export const paymentCustomers = pgTable('payment_customers', {
  userId: idColumn('usr', 'user_id')
    .primaryKey()
    .references(() => users.id),
  externalId: text('external_id').notNull().unique(),
  createdAt: createdAt(),
})

/**
 * Cards that customers let us charge. Of the card itself there is only what a person needs to recognise
 * it. The newest one that was not removed is charged.
 */
export const paymentMethods = pgTable(
  'payment_methods',
  {
    id: idColumn('pm', 'id').primaryKey(),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id),
    externalId: text('external_id').notNull().unique(),
    brand: text('brand').notNull(),
    lastFour: text('last_four').notNull(),
    expiryMonth: integer('expiry_month').notNull(),
    expiryYear: integer('expiry_year').notNull(),
    createdAt: createdAt(),
    /** When it was taken away, here or at the provider; it is never charged again. */
    removedAt: instant('removed_at'),
  },
  (table) => [
    index('payment_methods_user')
      .on(table.userId, table.createdAt, table.id)
      .where(sql`${table.removedAt} is null`),
    check('payment_methods_last_four', sql`${table.lastFour} ~ '^[0-9]{4}$'`),
  ],
)

/** What an event is about, by ids of the provider's; whoever handles it reads the rest there. */
export interface WebhookSubject {
  object: string
  id: string
  customer: string | null
  paymentIntent: string | null
}

/** Events that providers told us, each once, in the order in which they came. */
export const webhookInbox = pgTable(
  'webhook_inbox',
  {
    id: idColumn('whi', 'id').primaryKey(),
    source: text('source', { enum: ['stripe'] }).notNull(),
    externalId: text('external_id').notNull(),
    type: text('type').notNull(),
    subject: jsonb('subject').$type<WebhookSubject>().notNull(),
    receivedAt: instant('received_at').notNull(),
    handledAt: instant('handled_at'),
  },
  (table) => [
    uniqueIndex('webhook_inbox_event').on(table.source, table.externalId),
    index('webhook_inbox_received').on(table.receivedAt),
  ],
)
