import type { Db } from '#db/client'
import { type LedgerAccountType, NOBODY } from '#db/schema/ledger'
import type { Actor } from '#lib/access'
import type { Id } from '#lib/id'
import { type PageRequest, toPage } from '#lib/page'
import * as ledger from './repository'

/** What stands in the ledger, for those whose accounts they are, and for admins. */
export class LedgerReader {
  constructor(private readonly db: Db) {}

  /** What we owe a customer, by currency. */
  async credits(actor: Actor) {
    const balances = await ledger.balancesOf(this.db, actor.userId)
    const owed = (type: LedgerAccountType, currency: string) =>
      Number(0n - (balances.find((b) => b.type === type && b.currency === currency)?.balance ?? 0n))
    return [...new Set(balances.map(({ currency }) => currency))].map((currency) => ({
      currency,
      credit: owed('customer_credit', currency),
      prepaid: owed('prepaid', currency),
    }))
  }

  async own(actor: Actor, page: PageRequest) {
    return this.page(actor.userId, page)
  }

  async all(page: PageRequest) {
    return this.page(null, page)
  }

  /** By type and currency. The balances of a currency sum to zero. */
  async balances() {
    const rows = await ledger.trialBalance(this.db)
    return rows.map(({ type: account, currency, balance }) => ({
      ...{ account, currency },
      balance: Number(balance),
    }))
  }

  private async page(ownerId: Id<'usr'> | null, page: PageRequest) {
    const rows = await ledger.listTransactions(this.db, ownerId, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return {
      items: items.map(({ createdAt, entries, ...transaction }) => ({
        ...transaction,
        at: createdAt.toISOString(),
        entries: entries.map((entry) => ({
          account: entry.type,
          ownerId: entry.ownerId === NOBODY ? null : entry.ownerId,
          amount: Number(entry.amount),
        })),
      })),
      nextCursor,
    }
  }
}
