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
import { invoices } from './billing'
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

export const PAYMENT_STATUSES = ['pending', 'succeeded', 'failed'] as const
/** `card`: charged by us; `checkout`: paid on a page of the provider's; `manual`: noted by an admin. */
export const PAYMENT_CHANNELS = ['card', 'checkout', 'manual'] as const

/**
 * A try to get the money for an invoice, and what was given back of it. The row is there before the
 * provider hears of it, and its id is what the provider knows it by.
 */
export const paymentRecords = pgTable(
  'payment_records',
  {
    id: idColumn('pay', 'id').primaryKey(),
    invoiceId: idColumn('inv', 'invoice_id')
      .notNull()
      .references(() => invoices.id),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id),
    provider: text('provider', { enum: ['stripe', 'manual'] }).notNull(),
    channel: text('channel', { enum: PAYMENT_CHANNELS }).notNull(),
    /** The card that is charged; null for the other channels. */
    methodId: idColumn('pm', 'method_id').references(() => paymentMethods.id),
    /** The provider's id of the payment; for a manual one what the admin calls it. */
    externalId: text('external_id'),
    /** The provider's id of the page on which the customer pays. */
    checkoutId: text('checkout_id').unique(),
    status: text('status', { enum: PAYMENT_STATUSES }).notNull(),
    currency: text('currency').notNull(),
    amount: bigint('amount', { mode: 'bigint' }).notNull(),
    /** Given back, or on its way back. */
    amountRefunded: bigint('amount_refunded', { mode: 'bigint' }).notNull().default(sql`0`),
    /** Taken back by the customer's bank, for now or for good. */
    amountDisputed: bigint('amount_disputed', { mode: 'bigint' }).notNull().default(sql`0`),
    /** 1, 2, 3 …: the tries for an invoice. */
    attempt: integer('attempt').notNull(),
    /** Why it failed: the provider's code, such as `insufficient_funds`. */
    failureCode: text('failure_code'),
    createdAt: createdAt(),
    settledAt: instant('settled_at'),
  },
  (table) => [
    uniqueIndex('payment_records_external').on(table.provider, table.externalId),
    // Nothing is charged twice: while one try is under way there is no other.
    uniqueIndex('payment_records_pending')
      .on(table.invoiceId)
      .where(sql`${table.status} = 'pending'`),
    index('payment_records_invoice').on(table.invoiceId, table.attempt),
    index('payment_records_user').on(table.userId, table.createdAt, table.id),
    index('payment_records_newest').on(table.createdAt, table.id),
    check('payment_records_amount', sql`${table.amount} > 0`),
    check(
      'payment_records_refund',
      sql`least(${table.amountRefunded}, ${table.amountDisputed}) >= 0 and ${table.amountRefunded} + ${table.amountDisputed} <= ${table.amount}`,
    ),
    check('payment_records_status_known', sql`${table.status} in ('pending','succeeded','failed')`),
  ],
)

export const REFUND_STATUSES = ['pending', 'succeeded', 'failed'] as const
/** `admin`: asked for here; `provider`: made in the provider's dashboard; `credit`: pays credit out. */
export const REFUND_ORIGINS = ['admin', 'provider', 'credit'] as const

/** Money that goes back to whoever paid. The row is there before the provider hears of it. */
export const refunds = pgTable(
  'refunds',
  {
    id: idColumn('ref', 'id').primaryKey(),
    paymentId: idColumn('pay', 'payment_id')
      .notNull()
      .references(() => paymentRecords.id),
    origin: text('origin', { enum: REFUND_ORIGINS }).notNull(),
    /** What a refund of credit is for: each is paid out once. */
    sourceId: text('source_id'),
    externalId: text('external_id').unique(),
    status: text('status', { enum: REFUND_STATUSES }).notNull(),
    amount: bigint('amount', { mode: 'bigint' }).notNull(),
    currency: text('currency').notNull(),
    reason: text('reason').notNull(),
    requestedBy: idColumn('usr', 'requested_by').references(() => users.id),
    failureCode: text('failure_code'),
    createdAt: createdAt(),
    settledAt: instant('settled_at'),
  },
  (table) => [
    index('refunds_payment').on(table.paymentId, table.createdAt, table.id),
    index('refunds_pending').on(table.createdAt).where(sql`${table.status} = 'pending'`),
    uniqueIndex('refunds_source').on(table.sourceId, table.paymentId),
    check('refunds_amount', sql`${table.amount} > 0`),
    check('refunds_status_known', sql`${table.status} in ('pending','succeeded','failed')`),
  ],
)

/** What a customer's bank takes back, for the time being or for good. */
export const disputes = pgTable(
  'disputes',
  {
    id: idColumn('dsp', 'id').primaryKey(),
    paymentId: idColumn('pay', 'payment_id')
      .notNull()
      .references(() => paymentRecords.id),
    externalId: text('external_id').notNull().unique(),
    status: text('status', { enum: ['open', 'won', 'lost'] }).notNull(),
    amount: bigint('amount', { mode: 'bigint' }).notNull(),
    currency: text('currency').notNull(),
    reason: text('reason').notNull(),
    createdAt: createdAt(),
    closedAt: instant('closed_at'),
  },
  (table) => [
    index('disputes_payment').on(table.paymentId),
    check('disputes_amount', sql`${table.amount} > 0`),
    check('disputes_status_known', sql`${table.status} in ('open','won','lost')`),
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
