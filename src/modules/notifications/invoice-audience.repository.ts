import { eq } from 'drizzle-orm'
import type { Db } from '#db/client'
import { creditNotes, invoices } from '#db/schema/billing'
import type { Id } from '#lib/id'
import { moneyText } from '#lib/money-text'
import { personOf } from './audience.repository'

/** News of a finalized invoice, and of a credit note for it; null when there is none of this id. */
export async function newsOfInvoice(db: Db, id: Id<'inv'>, creditNoteId?: Id<'crn'>) {
  const [invoice] = await db.select().from(invoices).where(eq(invoices.id, id))
  if (!invoice) return null
  const { number, status, subscriptionId, currency } = invoice
  const amounts = { total: Number(invoice.total), amountDue: Number(invoice.amountDue) }
  return {
    facts: {
      invoice: {
        ...{ id, number, status, subscriptionId, currency, ...amounts },
        amountDueText: moneyText(invoice.amountDue, currency),
      },
      creditNote: creditNoteId ? await factsOfCreditNote(db, creditNoteId) : null,
    },
    consumers: await personOf(db, invoice.userId),
  }
}

async function factsOfCreditNote(db: Db, id: Id<'crn'>) {
  const [note] = await db.select().from(creditNotes).where(eq(creditNotes.id, id))
  if (!note) return null
  const { number, reason, total, currency } = note
  return { id, number, reason, total: Number(total), totalText: moneyText(total, currency) }
}
