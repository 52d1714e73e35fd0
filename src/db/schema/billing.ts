import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  jsonb,
  pgTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { Id } from '#lib/id'
import { createdAt, idColumn, instant, updatedAt } from '../columns'
import { users } from './identity'
import { apiSubscriptions } from './subscriptions'

export const INVOICE_STATUSES = [
  'draft',
  'open',
  'paid',
  'past_due',
  'uncollectible',
  'void',
] as const
export type InvoiceStatus = (typeof INVOICE_STATUSES)[number]

/** What a line was made from, so that it can be made again. */
export type LineSource =
  | { kind: 'advance' | 'arrears'; periodId: Id<'per'>; units: number }
  /** Calls that came after the period was invoiced: rated with `to` units less rated with `from`. */
  | { kind: 'late'; periodId: Id<'per'>; from: number; to: number }
  | { kind: 'adjustment'; adjustmentId: Id<'adj'> }
  | { kind: 'manual' }

/** Amounts in minor units; below 0 for a credit. */
export interface InvoiceLine {
  code: string
  description: string
  quantity: number
  /** As priced: without tax, or with it where the invoice says `pricesIncludeTax`. */
  amount: number
  /** The part of the invoice's tax that falls on this line; 0 in a draft. */
  tax: number
  /** Percent, such as "19"; null where no tax is charged. */
  rate: string | null
  /** Formula and inputs of the amount. */
  explain: string
  source: LineSource
}

/** Tax of one rate, in minor units. */
export interface TaxLine {
  /** Percent; "0" for reverse charge and exempt customers. */
  rate: string
  country: string
  net: number
  tax: number
  reason: 'standard' | 'reverse_charge' | 'exempt'
}

/** The operator as it was when the document was made. */
export interface SellerSnapshot {
  name: string
  address: string[]
  country: string | null
  taxId: string | null
  email: string | null
}

/** The customer as it was when the document was made. */
export interface BuyerSnapshot {
  name: string
  address: string[]
  country: string | null
  taxId: string | null
}

/** Who the customer is on paper; the tax follows from it. */
export const billingProfiles = pgTable('billing_profiles', {
  userId: idColumn('usr', 'user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  name: text('name').notNull(),
  address: jsonb('address').$type<string[]>().notNull(),
  country: text('country').notNull(),
  region: text('region'),
  taxId: text('tax_id'),
  /** What VIES said of the tax id; null where it was not asked, or did not answer. */
  taxIdConfirmed: boolean('tax_id_confirmed'),
  /** Set by an admin who has seen the certificate. */
  taxExempt: boolean('tax_exempt').notNull().default(false),
  updatedAt: updatedAt(),
})

/** The last number given in each series; its row is locked until what has the number is committed. */
export const documentCounters = pgTable('document_counters', {
  series: text('series', { enum: ['invoice', 'credit_note'] }).primaryKey(),
  last: bigint('last', { mode: 'number' }).notNull(),
})

/**
 * Total and tax are made when the invoice is finalized; from then on a trigger lets nothing change but
 * its status and what was paid, credited and relieved.
 */
export const invoices = pgTable(
  'invoices',
  {
    id: idColumn('inv', 'id').primaryKey(),
    /** 1, 2, 3 … without a gap, in the order of finalization. */
    sequence: bigint('sequence', { mode: 'number' }),
    /** As it stands on the document: prefix and sequence. */
    number: text('number'),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id),
    /** Null for an invoice that an admin made by hand. */
    subscriptionId: idColumn('sub', 'subscription_id').references(() => apiSubscriptions.id),
    /** Who earns what was sold; null where the operator does. */
    providerId: idColumn('usr', 'provider_id').references(() => users.id),
    status: text('status', { enum: INVOICE_STATUSES }).notNull(),
    /** What it is for, in a few words: API and plan. */
    title: text('title').notNull(),
    currency: text('currency').notNull(),
    lines: jsonb('lines').$type<InvoiceLine[]>().notNull(),
    taxes: jsonb('taxes').$type<TaxLine[]>().notNull().default([]),
    pricesIncludeTax: boolean('prices_include_tax').notNull().default(false),
    /** Of all lines, without tax; may be below 0. */
    subtotal: bigint('subtotal', { mode: 'bigint' }).notNull(),
    tax: bigint('tax', { mode: 'bigint' }).notNull().default(sql`0`),
    /** With tax, never below 0. */
    total: bigint('total', { mode: 'bigint' }).notNull(),
    /** What the lines are below 0, with tax: it went to the customer's credit. */
    carriedToCredit: bigint('carried_to_credit', { mode: 'bigint' }).notNull().default(sql`0`),
    /** Paid out of the customer's credit at finalization. */
    creditApplied: bigint('credit_applied', { mode: 'bigint' }).notNull().default(sql`0`),
    amountPaid: bigint('amount_paid', { mode: 'bigint' }).notNull().default(sql`0`),
    /** Sum of its credit notes. */
    amountCredited: bigint('amount_credited', { mode: 'bigint' }).notNull().default(sql`0`),
    /** No longer owed because of a credit note or because the invoice is void. */
    amountRelieved: bigint('amount_relieved', { mode: 'bigint' }).notNull().default(sql`0`),
    amountDue: bigint('amount_due', { mode: 'bigint' })
      .notNull()
      .generatedAlwaysAs(sql`total - credit_applied - amount_paid - amount_relieved`),
    /** The provider's and the operator's part of the subtotal, as they were booked. */
    providerEarnings: bigint('provider_earnings', { mode: 'bigint' }).notNull().default(sql`0`),
    platformFee: bigint('platform_fee', { mode: 'bigint' }).notNull().default(sql`0`),
    seller: jsonb('seller').$type<SellerSnapshot>(),
    buyer: jsonb('buyer').$type<BuyerSnapshot>(),
    finalizedAt: instant('finalized_at'),
    dueAt: instant('due_at'),
    paidAt: instant('paid_at'),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('invoices_sequence').on(table.sequence),
    index('invoices_user').on(table.userId, table.createdAt, table.id),
    index('invoices_subscription').on(table.subscriptionId, table.createdAt),
    index('invoices_drafts').on(table.id).where(sql`${table.status} = 'draft'`),
    index('invoices_owed').on(table.dueAt).where(sql`${table.status} in ('open','past_due')`),
    check(
      'invoices_total',
      sql`${table.total} - ${table.carriedToCredit} = ${table.subtotal} + ${table.tax}`,
    ),
    check(
      'invoices_sign',
      sql`${table.total} >= 0 and ${table.carriedToCredit} >= 0 and (${table.total} = 0 or ${table.carriedToCredit} = 0)`,
    ),
    check('invoices_due', sql`${table.amountDue} >= 0`),
    check(
      'invoices_parts',
      sql`least(${table.creditApplied}, ${table.amountPaid}, ${table.amountRelieved}) >= 0 and ${table.amountCredited} between 0 and ${table.total}`,
    ),
    check(
      'invoices_numbered',
      sql`(${table.status} = 'draft') = (${table.number} is null) and (${table.sequence} is null) = (${table.number} is null)`,
    ),
    check(
      'invoices_status_known',
      sql`${table.status} in ('draft','open','paid','past_due','uncollectible','void')`,
    ),
  ],
)

/** Takes back a part of an invoice, or all of it. Immutable, by a trigger. */
export const creditNotes = pgTable(
  'credit_notes',
  {
    id: idColumn('crn', 'id').primaryKey(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    number: text('number').notNull(),
    invoiceId: idColumn('inv', 'invoice_id')
      .notNull()
      .references(() => invoices.id),
    /** The refund that it goes with, if money went back. */
    refundId: text('refund_id'),
    reason: text('reason').notNull(),
    currency: text('currency').notNull(),
    /** Without tax. */
    subtotal: bigint('subtotal', { mode: 'bigint' }).notNull(),
    tax: bigint('tax', { mode: 'bigint' }).notNull(),
    total: bigint('total', { mode: 'bigint' }).notNull(),
    /** Where the total went: off what was still owed, to the customer's credit, back to the payer. */
    relieved: bigint('relieved', { mode: 'bigint' }).notNull(),
    toCredit: bigint('to_credit', { mode: 'bigint' }).notNull(),
    refunded: bigint('refunded', { mode: 'bigint' }).notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('credit_notes_sequence').on(table.sequence),
    uniqueIndex('credit_notes_refund').on(table.refundId),
    index('credit_notes_invoice').on(table.invoiceId, table.createdAt, table.id),
    check('credit_notes_total', sql`${table.total} = ${table.subtotal} + ${table.tax}`),
    check(
      'credit_notes_parts',
      sql`${table.total} > 0 and least(${table.relieved}, ${table.toCredit}, ${table.refunded}) >= 0 and ${table.total} = ${table.relieved} + ${table.toCredit} + ${table.refunded}`,
    ),
  ],
)
