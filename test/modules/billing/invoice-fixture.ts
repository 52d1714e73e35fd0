import type { Db } from '#db/client'
import { invoices } from '#db/schema/billing'
import { publish } from '#infra/queue'
import { newId } from '#lib/id'
import { invoiceCollectionDue } from '#modules/billing'
import type { Ledger } from '#modules/ledger'
import { seedUser } from '#test/seed'
import { finalized } from '../../../src/modules/billing/postings'

export const AT = new Date('2027-03-01T10:00:00Z')
let sequence = 0

/** An invoice of 119.00 EUR with 19.00 of tax, of which the provider earns 90.00, as finalization leaves it. */
export async function openInvoice(db: Db, ledger: Ledger) {
  const [userId, providerId] = [await seedUser(db, ['consumer']), await seedUser(db, ['provider'])]
  const id = newId('inv', { now: () => AT })
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
      currency: 'EUR',
    },
    ...{
      status: 'open',
      title: 'Weather · Pro',
      lines: [],
      finalizedAt: AT,
      createdAt: AT,
      ...amounts,
    },
  })
  await db.transaction(async (tx) => {
    await publish(tx, invoiceCollectionDue, { invoiceId: id, at: AT.toISOString() })
    await ledger.post(tx, {
      ...{ kind: 'invoice.finalized', reference: id, at: AT, currency: 'EUR' },
      entries: finalized({ userId, providerId, ...amounts }),
    })
  })
  return { id, userId, providerId }
}
