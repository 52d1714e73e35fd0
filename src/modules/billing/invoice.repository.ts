import { eq, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { creditNotes, documentCounters, type InvoiceStatus, invoices } from '#db/schema/billing'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'

export type Invoice = typeof invoices.$inferSelect
export type CreditNote = typeof creditNotes.$inferSelect

export async function findInvoice(db: Db, id: Id<'inv'>): Promise<Invoice | null> {
  const [invoice] = await db.select().from(invoices).where(eq(invoices.id, id))
  return invoice ?? null
}

/** The invoice as it is, and as nobody else changes it until the transaction ends. */
export async function lockInvoice(db: Db, id: Id<'inv'>): Promise<Invoice | null> {
  const [invoice] = await db.select().from(invoices).where(eq(invoices.id, id)).for('no key update')
  return invoice ?? null
}

/** What may change of an invoice that is final. */
export type InvoiceChange = Partial<
  Pick<Invoice, 'amountPaid' | 'amountCredited' | 'amountRelieved' | 'paidAt'>
> & { status: InvoiceStatus }

export async function changeInvoice(db: Db, id: Id<'inv'>, change: InvoiceChange): Promise<void> {
  await db.update(invoices).set(change).where(eq(invoices.id, id))
}

/**
 * Gives the next numbers of a series. Its row stays locked until the transaction ends, so that numbers
 * have no gap and stand in the order of commits: take them as late as possible.
 * @returns the first of them
 */
export async function nextSequence(
  db: Db,
  series: 'invoice' | 'credit_note',
  count: number,
): Promise<number> {
  const [row] = await db
    .insert(documentCounters)
    .values({ series, last: count })
    .onConflictDoUpdate({
      target: documentCounters.series,
      set: { last: sql`${documentCounters.last} + ${count}` },
    })
    .returning({ last: documentCounters.last })
  return invariant(row, `counter of ${series}`).last - count + 1
}

export async function insertCreditNote(
  db: Db,
  row: typeof creditNotes.$inferInsert,
): Promise<CreditNote> {
  const [note] = await db.insert(creditNotes).values(row).returning()
  return invariant(note, `credit note ${row.id}`)
}
