import { sql } from 'drizzle-orm'
import {
  bigint,
  check,
  foreignKey,
  index,
  pgTable,
  primaryKey,
  text,
  unique,
} from 'drizzle-orm/pg-core'
import type { Id } from '#lib/id'
import { idColumn, instant } from '../columns'

/**
 * `receivable`: what a customer owes; `customer_credit`, `prepaid`: what we owe a customer;
 * `provider_earnings`: what a provider is to be paid out; `dispute_hold`: money that a bank has taken
 * back for the time being. Those without an owner are the operator's.
 */
export const LEDGER_ACCOUNT_TYPES = [
  'receivable',
  'cash',
  'customer_credit',
  'prepaid',
  'provider_earnings',
  'platform_fee',
  'tax_payable',
  'bad_debt',
  'dispute_hold',
] as const
export type LedgerAccountType = (typeof LEDGER_ACCOUNT_TYPES)[number]

/** Owner of the accounts that are the operator's; never null, so that an account is found by equality. */
export const NOBODY: Id<'usr'> = `usr_${'0'.repeat(32)}`

/** One account for each type, owner and currency. It has no balance: that is the sum of its entries. */
export const ledgerAccounts = pgTable(
  'ledger_accounts',
  {
    id: idColumn('acc', 'id').primaryKey(),
    type: text('type', { enum: LEDGER_ACCOUNT_TYPES }).notNull(),
    ownerId: idColumn('usr', 'owner_id').notNull(),
    currency: text('currency').notNull(),
  },
  (table) => [
    unique('ledger_accounts_owner').on(table.ownerId, table.type, table.currency),
    unique('ledger_accounts_currency').on(table.id, table.currency),
    check('ledger_accounts_currency_form', sql`${table.currency} ~ '^[A-Z]{3}$'`),
    check(
      'ledger_accounts_type_known',
      sql`${table.type} in ('receivable','cash','customer_credit','prepaid','provider_earnings','platform_fee','tax_payable','bad_debt','dispute_hold')`,
    ),
  ],
)

/** One business fact, booked once: `(kind, reference)` names it. Immutable, by a trigger. */
export const ledgerTransactions = pgTable(
  'ledger_transactions',
  {
    id: idColumn('txn', 'id').primaryKey(),
    kind: text('kind').notNull(),
    reference: text('reference').notNull(),
    currency: text('currency').notNull(),
    at: instant('at').notNull(),
  },
  (table) => [
    unique('ledger_transactions_fact').on(table.kind, table.reference),
    unique('ledger_transactions_currency').on(table.id, table.currency),
    index('ledger_transactions_newest').on(table.at, table.id),
  ],
)

/**
 * Debits (above 0) and credits (below 0) of a transaction, which sum to zero: a trigger looks at the
 * sum of every statement. Both foreign keys have the currency in them, so that nothing is ever booked
 * on an account of another one. Immutable, by a trigger.
 */
export const ledgerEntries = pgTable(
  'ledger_entries',
  {
    transactionId: idColumn('txn', 'transaction_id').notNull(),
    accountId: idColumn('acc', 'account_id').notNull(),
    currency: text('currency').notNull(),
    /** Minor units. */
    amount: bigint('amount', { mode: 'bigint' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.transactionId, table.accountId] }),
    index('ledger_entries_account').on(table.accountId, table.transactionId),
    foreignKey({
      name: 'ledger_entries_transaction',
      columns: [table.transactionId, table.currency],
      foreignColumns: [ledgerTransactions.id, ledgerTransactions.currency],
    }),
    foreignKey({
      name: 'ledger_entries_account_currency',
      columns: [table.accountId, table.currency],
      foreignColumns: [ledgerAccounts.id, ledgerAccounts.currency],
    }),
    check('ledger_entries_amount', sql`${table.amount} <> 0`),
  ],
)
