import type { Db } from '#db/client'
import { invoices } from '#db/schema/billing'
import { publish } from '#infra/queue'
import { type Id, newId } from '#lib/id'
import { invoiceCollectionDue } from '#modules/billing'
import type { Ledger } from '#modules/ledger'
import { seedUser } from '#test/seed'
import { finalized } from '../../../src/modules/billing/postings'

export const AT = new Date('2027-03-01T10:00:00Z')
/** Far from what finalization gives. */
let sequence = 1_000_000

export interface OpenInvoiceOptions {
  userId?: Id<'usr'>
  subscriptionId?: Id<'sub'>
  currency?: string
  at?: Date
  /** Whether payments are told to collect it; so it is unless stated. */
  isCollected?: boolean
}

/**
 * An invoice of 119.00 with 19.00 of tax, of which the provider earns 90.00, as finalization leaves it; in
 * EUR unless stated.
 */
export async function openInvoice(
  db: Db,
  ledger: Ledger,
  {
    currency = 'EUR',
    at = AT,
    isCollected = true,
    subscriptionId,
    ...options
  }: OpenInvoiceOptions = {},
) {
  const userId = options.userId ?? (await seedUser(db, ['consumer']))
  const providerId = await seedUser(db, ['provider'])
  const id = newId('inv', { now: () => at })
  const amounts = {
    ...{ subtotal: 10_000n, tax: 1_900n, total: 11_900n },
    ...{ providerEarnings: 9_000n, platformFee: 1_000n, creditApplied: 0n, carriedToCredit: 0n },
  }
  await db.insert(invoices).values({
    ...{
      id,
      userId,
      providerId,
      sequence: ++sequence,
      number: `VEIL-${sequence}`,
      currency,
      ...(subscriptionId && { subscriptionId }),
    },
    ...{ status: 'open', title: 'Weather · Pro', lines: [], finalizedAt: at, createdAt: at },
    ...amounts,
  })
  await db.transaction(async (tx) => {
    if (isCollected)
      await publish(tx, invoiceCollectionDue, { invoiceId: id, at: at.toISOString() })
    await ledger.post(tx, {
      ...{ kind: 'invoice.finalized', reference: id, at, currency },
      entries: finalized({ userId, providerId, ...amounts }),
    })
  })
  return { id, userId, providerId }
}
