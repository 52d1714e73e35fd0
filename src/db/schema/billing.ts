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
import { users } from './identity'
import { apiSubscriptions, billingPeriods } from './subscriptions'

export const invoices = pgTable(
  'invoices',
  {
    id: idColumn('inv', 'id').primaryKey(),
    /** Gapless per seller, given on finalization. */
    number: bigint('number', { mode: 'number' }),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id),
    subscriptionId: idColumn('sub', 'subscription_id')
      .notNull()
      .references(() => apiSubscriptions.id),
    billingPeriodId: idColumn('per', 'billing_period_id')
      .notNull()
      .references(() => billingPeriods.id),
    status: text('status', {
      enum: ['draft', 'open', 'paid', 'past_due', 'uncollectible', 'void'],
    }).notNull(),
    currency: text('currency').notNull(),
    subtotal: bigint('subtotal', { mode: 'bigint' }).notNull(),
    discount: bigint('discount', { mode: 'bigint' }).notNull(),
    tax: bigint('tax', { mode: 'bigint' }).notNull(),
    total: bigint('total', { mode: 'bigint' }).notNull(),
    amountPaid: bigint('amount_paid', { mode: 'bigint' }).notNull().default(sql`0`),
    lines: jsonb('lines').$type<Record<string, unknown>[]>().notNull(),
    finalizedAt: instant('finalized_at'),
    dueAt: instant('due_at'),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('invoices_number').on(table.number),
    uniqueIndex('invoices_period').on(table.billingPeriodId).where(sql`${table.status} <> 'void'`),
    index('invoices_user').on(table.userId, table.createdAt, table.id),
    index('invoices_subscription').on(table.subscriptionId, table.createdAt),
    check(
      'invoices_total',
      sql`${table.total} = ${table.subtotal} - ${table.discount} + ${table.tax}`,
    ),
    check('invoices_paid', sql`${table.amountPaid} between 0 and ${table.total}`),
    check('invoices_numbered', sql`${table.status} = 'draft' or ${table.number} is not null`),
  ],
)

/** A try to move money for an invoice, and what was given back of it. */
export const paymentRecords = pgTable(
  'payment_records',
  {
    id: idColumn('pay', 'id').primaryKey(),
    invoiceId: idColumn('inv', 'invoice_id').references(() => invoices.id),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id),
    provider: text('provider', { enum: ['stripe', 'manual'] }).notNull(),
    /** The provider's id of the payment. */
    externalId: text('external_id'),
    status: text('status', {
      enum: ['pending', 'succeeded', 'failed', 'disputed', 'refunded'],
    }).notNull(),
    currency: text('currency').notNull(),
    amount: bigint('amount', { mode: 'bigint' }).notNull(),
    amountRefunded: bigint('amount_refunded', { mode: 'bigint' }).notNull().default(sql`0`),
    failureCode: text('failure_code'),
    createdAt: createdAt(),
    settledAt: instant('settled_at'),
    attempt: integer('attempt').notNull().default(1),
  },
  (table) => [
    uniqueIndex('payment_records_external').on(table.provider, table.externalId),
    index('payment_records_invoice').on(table.invoiceId),
    index('payment_records_user').on(table.userId, table.createdAt, table.id),
    check('payment_records_amount', sql`${table.amount} > 0`),
    check('payment_records_refund', sql`${table.amountRefunded} between 0 and ${table.amount}`),
  ],
)
