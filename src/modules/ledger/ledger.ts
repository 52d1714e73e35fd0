import type { Db } from '#db/client'
import type { LedgerAccountType } from '#db/schema/ledger'
import type { Id } from '#lib/id'
import { insertPostings, lockBalances } from './repository'

/** An account; those of the operator have no owner. */
export interface LedgerAccount {
  type: LedgerAccountType
  ownerId: Id<'usr'> | null
}

/** @param amount minor units: above 0 a debit, below 0 a credit; an entry of 0 is left out */
export interface LedgerEntry {
  account: LedgerAccount
  amount: bigint
}

/** A business fact as it is booked: `(kind, reference)` names it, its entries sum to zero. */
export interface Posting {
  /** `noun.verbed`. */
  kind: string
  reference: string
  at: Date
  currency: string
  entries: readonly LedgerEntry[]
}

/** The double-entry ledger: what is booked stays, and everything together is zero. */
export class Ledger {
  /**
   * Books a fact in the caller's transaction, once however often it is told.
   * @returns whether it is booked now; false where it was already, or has nothing to book
   * @throws RangeError when the entries do not sum to zero
   */
  async post(tx: Db, posting: Posting): Promise<boolean> {
    return (await this.postAll(tx, [posting])) === 1
  }

  /**
   * Books many facts, with as many statements as for one.
   * @returns how many were not booked before
   */
  async postAll(tx: Db, postings: readonly Posting[]): Promise<number> {
    const booked = postings
      .map((posting) => ({ ...posting, entries: merged(posting.entries) }))
      .filter(({ entries }) => entries.length > 0)
    for (const { kind, reference, entries } of booked)
      if (entries.reduce((sum, { amount }) => sum + amount, 0n) !== 0n)
        throw new RangeError(`entries of ${kind} ${reference} do not sum to zero`)
    return booked.length === 0 ? 0 : insertPostings(tx, booked)
  }

  /**
   * What is on accounts. Whoever takes from them asks here first, and the others wait for its transaction.
   * @returns minor units by owner; below 0 where we owe; 0 is left out
   */
  lockBalances(
    tx: Db,
    type: LedgerAccountType,
    currency: string,
    owners: readonly Id<'usr'>[],
  ): Promise<Map<Id<'usr'>, bigint>> {
    return lockBalances(tx, type, currency, owners)
  }
}

/** One entry for each account, none of 0. */
function merged(entries: readonly LedgerEntry[]): LedgerEntry[] {
  const sums = new Map<string, LedgerEntry>()
  for (const { account, amount } of entries) {
    const name = `${account.type} ${account.ownerId}`
    sums.set(name, { account, amount: (sums.get(name)?.amount ?? 0n) + amount })
  }
  return [...sums.values()].filter(({ amount }) => amount !== 0n)
}
