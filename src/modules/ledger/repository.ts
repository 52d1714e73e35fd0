import { and, asc, desc, eq, sql } from 'drizzle-orm'
import { type Db, rawClient } from '#db/client'
import { olderThan } from '#db/paging'
import {
  type LedgerAccountType,
  ledgerAccounts,
  ledgerEntries,
  ledgerTransactions,
  NOBODY,
} from '#db/schema/ledger'
import { type Id, newId } from '#lib/id'
import type { PageRequest } from '#lib/page'
import type { Posting } from './ledger'

const uuidOf = (id: string): string => id.slice(id.indexOf('_') + 1)

/** One row per entry, in the order in which accounts are made and facts booked: two at once never wait in a ring. */
function entryRows(postings: readonly Posting[]) {
  return postings.flatMap(({ kind, reference, currency, at, entries }) => {
    const clock = { now: () => at }
    const transaction = { id: uuidOf(newId('txn', clock)), kind, reference, currency, at }
    return entries.map(({ account, amount }) => ({
      ...transaction,
      ...{ new_account: uuidOf(newId('acc', clock)), type: account.type },
      ...{ owner_id: uuidOf(account.ownerId ?? NOBODY), amount: String(amount) },
    }))
  })
}

const ROWS = `json_to_recordset($1::text::json) as row (id uuid, kind text, reference text,
  currency text, at timestamptz, new_account uuid, type text, owner_id uuid, amount bigint)`

/** As a subquery Postgres looks accounts up one by one in their index, and reads them all in no plan. */
const ACCOUNT_OF = (row: string) => `(select account.id from ledger_accounts account
  where account.owner_id = ${row}.owner_id and account.type = ${row}.type
    and account.currency = ${row}.currency)`

const ADD_ACCOUNTS = `
  insert into ledger_accounts (id, type, owner_id, currency)
  select distinct on (owner_id, type, currency) new_account, type, owner_id, currency from ${ROWS}
  where ${ACCOUNT_OF('row')} is null
  order by owner_id, type, currency
  on conflict do nothing`

const ADD_ENTRIES = `
  with added as (select * from ${ROWS}), booked as (
    insert into ledger_transactions (id, kind, reference, currency, at)
    select distinct on (kind, reference) id, kind, reference, currency, at from added
    order by kind, reference
    on conflict (kind, reference) do nothing
    returning id
  ), entered as (
    insert into ledger_entries (transaction_id, account_id, currency, amount)
    select added.id, ${ACCOUNT_OF('added')}, added.currency, added.amount
    from booked join added on added.id = booked.id
  )
  select count(*)::int as count from booked`

/**
 * Not prepared: a plan that was made while the accounts were few would go on reading all of them.
 * @returns how many postings were not there before
 */
export async function insertPostings(db: Db, postings: readonly Posting[]): Promise<number> {
  const rows = [JSON.stringify(entryRows(postings))]
  const client = rawClient(db)
  await client.unsafe(ADD_ACCOUNTS, rows)
  const [counted] = await client.unsafe<{ count: number }[]>(ADD_ENTRIES, rows)
  return counted?.count ?? 0
}

/**
 * Balances by owner, 0 left out, locked in the order of ids until the transaction ends. Others may go
 * on adding to the accounts; whoever takes from them comes here first. Two statements: what was booked
 * while the first one waited is only seen by another.
 */
export async function lockBalances(
  db: Db,
  type: LedgerAccountType,
  currency: string,
  owners: readonly Id<'usr'>[],
): Promise<Map<Id<'usr'>, bigint>> {
  const held = await rawClient(db).unsafe<{ id: string; owner: string }[]>(
    `select id, replace(owner_id::text, '-', '') as owner from ledger_accounts
    where owner_id = any($3::text::uuid[]) and type = $1 and currency = $2
    order by id for no key update`,
    [type, currency, `{${owners.map(uuidOf).join(',')}}`],
  )
  if (held.length === 0) return new Map()
  const sums = await rawClient(db).unsafe<{ id: string; balance: string }[]>(
    `select account_id as id, sum(amount)::text as balance from ledger_entries
    where account_id = any($1::text::uuid[]) group by account_id having sum(amount) <> 0`,
    [`{${held.map(({ id }) => id).join(',')}}`],
  )
  const ownerOf = new Map(held.map(({ id, owner }) => [id, owner]))
  return new Map(sums.map(({ id, balance }) => [`usr_${ownerOf.get(id)}`, BigInt(balance)]))
}

const balance = sql<bigint>`coalesce(sum(${ledgerEntries.amount}), 0)`.mapWith(BigInt)

/** What is on the accounts of one owner. */
export function balancesOf(db: Db, ownerId: Id<'usr'>) {
  return db
    .select({ type: ledgerAccounts.type, currency: ledgerAccounts.currency, balance })
    .from(ledgerAccounts)
    .leftJoin(ledgerEntries, eq(ledgerEntries.accountId, ledgerAccounts.id))
    .where(eq(ledgerAccounts.ownerId, ownerId))
    .groupBy(ledgerAccounts.id)
    .orderBy(asc(ledgerAccounts.type), asc(ledgerAccounts.currency))
}

/** What is on all accounts of each type. */
export function trialBalance(db: Db) {
  return db
    .select({ type: ledgerAccounts.type, currency: ledgerAccounts.currency, balance })
    .from(ledgerAccounts)
    .innerJoin(ledgerEntries, eq(ledgerEntries.accountId, ledgerAccounts.id))
    .groupBy(ledgerAccounts.type, ledgerAccounts.currency)
    .orderBy(asc(ledgerAccounts.currency), asc(ledgerAccounts.type))
}

/** Newest first, one more than asked for; with the entries of one owner, or all of them. */
export async function listTransactions(db: Db, ownerId: Id<'usr'> | null, page: PageRequest) {
  const { id, kind, reference, currency, at } = ledgerTransactions
  const entries = sql<{ type: LedgerAccountType; ownerId: string; amount: string }[]>`json_agg(
    json_build_object('type', ${ledgerAccounts.type}, 'amount', ${ledgerEntries.amount}::text,
      'ownerId', 'usr_' || replace(${ledgerAccounts.ownerId}::text, '-', ''))
    order by ${ledgerAccounts.type}, ${ledgerAccounts.ownerId})`
  return await db
    .select({ id, kind, reference, currency, createdAt: at, entries })
    .from(ledgerTransactions)
    .innerJoin(ledgerEntries, eq(ledgerEntries.transactionId, id))
    .innerJoin(ledgerAccounts, eq(ledgerAccounts.id, ledgerEntries.accountId))
    .where(
      and(
        ownerId === null ? undefined : eq(ledgerAccounts.ownerId, ownerId),
        olderThan({ createdAt: at, id }, page.after),
      ),
    )
    .groupBy(id)
    .orderBy(desc(at), desc(id))
    .limit(page.limit + 1)
}
