import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LEDGER_ACCOUNT_TYPES, type LedgerAccountType } from '#db/schema/ledger'
import { newId } from '#lib/id'
import { Ledger, type LedgerEntry } from '#modules/ledger'
import { freshDatabase, type TestDatabase } from '#test/database'

let database: TestDatabase
const ledger = new Ledger()
const clock = { now: () => new Date('2027-03-01T10:00:00Z') }
const customer = newId('usr', clock)
let count = 0

beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

const entry = (type: LedgerAccountType, amount: bigint, ownerId = customer): LedgerEntry => ({
  account: { type, ownerId: ['cash', 'bad_debt'].includes(type) ? null : ownerId },
  amount,
})
const posting = (entries: LedgerEntry[], reference = `fact-${++count}`, currency = 'EUR') => ({
  ...{ kind: 'test.booked', reference, at: clock.now(), currency, entries },
})
const post = (...args: Parameters<typeof posting>) =>
  database.db.transaction((tx) => ledger.post(tx, posting(...args)))

async function sums() {
  const rows = await database.sql`select sum(amount)::text as sum from ledger_entries`
  return rows[0]?.sum
}

const balances = async (type: LedgerAccountType) =>
  await database.db.transaction((tx) => ledger.lockBalances(tx, type, 'EUR', [customer]))

test('a fact is booked once, however often and by how many it is told', async () => {
  const entries = [entry('cash', 500n), entry('receivable', -500n)]
  const told = await Promise.all(Array.from({ length: 20 }, () => post(entries, 'payment-1')))
  expect(told.filter(Boolean)).toHaveLength(1)
  expect(await balances('receivable')).toEqual(new Map([[customer, -500n]]))
  await post([entry('receivable', 500n), entry('cash', -500n)])
  expect(await balances('receivable')).toEqual(new Map())
})

test('entries of one account become one, those of nothing are left out', async () => {
  expect(await post([entry('cash', 5n), entry('cash', -5n)])).toBe(false)
  const split = [entry('cash', 2n), entry('cash', 3n), entry('prepaid', -5n), entry('bad_debt', 0n)]
  expect(await post(split, 'split')).toBe(true)
  const rows = await database.sql`select amount::int from ledger_entries
    join ledger_transactions on id = transaction_id where reference = 'split' order by amount`
  expect(rows.map(({ amount }) => amount)).toEqual([-5, 5])
})

test('what does not sum to zero is refused, by Veil and by Postgres', async () => {
  await expect(post([entry('cash', 1n)])).rejects.toThrow(RangeError)
  await post([entry('cash', 7n), entry('prepaid', -7n)], 'seven')
  const lopsided = database.sql`insert into ledger_entries (transaction_id, account_id, currency, amount)
    select t.id, a.id, 'EUR', 1 from ledger_transactions t, ledger_accounts a
    where t.reference = 'payment-1' and a.type = 'prepaid'`
  await expect(lopsided).rejects.toMatchObject({ constraint_name: 'ledger_entries_balance' })
})

test('nothing is booked in a currency other than the account’s', async () => {
  const mixed = database.sql`with fact as (
      insert into ledger_transactions (id, kind, reference, currency, at)
      values (uuidv7(), 'test.booked', 'dollars', 'USD', now()) returning id
    )
    insert into ledger_entries (transaction_id, account_id, currency, amount)
    select fact.id, account.id, 'USD', case type when 'cash' then 1 else -1 end
    from fact, ledger_accounts account where type in ('cash', 'prepaid')`
  await expect(mixed).rejects.toMatchObject({ constraint_name: 'ledger_entries_account_currency' })
})

test.each(['ledger_accounts', 'ledger_transactions', 'ledger_entries'])(
  'rows of %s stay as they are',
  async (table) => {
    const column = table === 'ledger_entries' ? 'amount' : 'currency'
    const immutable = { code: '23001', message: `rows of ${table} are immutable` }
    const change = database.sql.unsafe(`update ${table} set ${column} = ${column}`)
    await expect(change).rejects.toMatchObject(immutable)
    await expect(database.sql.unsafe(`delete from ${table}`)).rejects.toMatchObject(immutable)
  },
)

test('whatever is booked, side by side and again, the ledger sums to zero', async () => {
  const amounts = fc.record({
    type: fc.constantFrom(...LEDGER_ACCOUNT_TYPES),
    other: fc.constantFrom(...LEDGER_ACCOUNT_TYPES),
    amount: fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
    reference: fc.integer({ min: 0, max: 9 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(amounts, { maxLength: 8 }), async (facts) => {
      const booked = facts.map(({ type, other, amount, reference }) =>
        post([entry(type, amount), entry(other, -amount)], `any-${reference}`),
      )
      await Promise.all(booked)
      expect(await sums()).toBe('0')
    }),
    { numRuns: 30 },
  )
})
