import { and, asc, desc, eq, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { creditNotes, documentCounters, type InvoiceStatus, invoices } from '#db/schema/billing'
import { users } from '#db/schema/identity'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import { usageCounters } from '#db/schema/usage'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import type { PageRequest } from '#lib/page'

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

export function creditNotesOf(db: Db, invoiceId: Id<'inv'>): Promise<CreditNote[]> {
  return db
    .select()
    .from(creditNotes)
    .where(eq(creditNotes.invoiceId, invoiceId))
    .orderBy(asc(creditNotes.sequence))
}

/** Newest first, one more than asked for. */
export function listInvoices(
  db: Db,
  of: { userId?: Id<'usr'>; subscriptionId?: Id<'sub'>; status?: InvoiceStatus },
  page: PageRequest,
): Promise<Invoice[]> {
  const { userId, subscriptionId, status } = of
  return db
    .select()
    .from(invoices)
    .where(
      and(
        userId && eq(invoices.userId, userId),
        subscriptionId && eq(invoices.subscriptionId, subscriptionId),
        status && eq(invoices.status, status),
        olderThan(invoices, page.after),
      ),
    )
    .orderBy(desc(invoices.createdAt), desc(invoices.id))
    .limit(page.limit + 1)
}

export type PeriodRow = Awaited<ReturnType<typeof listPeriods>>[number]

/** Billing periods of a user's subscriptions with what they used, newest first, one more than asked for. */
export function listPeriods(db: Db, userId: Id<'usr'>, page: PageRequest) {
  return db
    .select({
      period: billingPeriods,
      units: sql<number>`coalesce(${usageCounters.units}, 0)`.mapWith(Number),
    })
    .from(billingPeriods)
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, billingPeriods.subscriptionId))
    .leftJoin(
      usageCounters,
      and(
        eq(usageCounters.subscriptionId, billingPeriods.subscriptionId),
        eq(usageCounters.billingPeriodId, billingPeriods.id),
      ),
    )
    .where(and(eq(apiSubscriptions.userId, userId), olderThan(billingPeriods, page.after)))
    .orderBy(desc(billingPeriods.createdAt), desc(billingPeriods.id))
    .limit(page.limit + 1)
}

/** A draft of what an admin invoices by hand. */
export async function insertManualDraft(
  db: Db,
  draft: Pick<Invoice, 'id' | 'userId' | 'title' | 'currency' | 'lines' | 'createdAt'>,
): Promise<void> {
  const sum = BigInt(draft.lines.reduce((total, { amount }) => total + amount, 0))
  const [total, carriedToCredit] = sum < 0n ? [0n, -sum] : [sum, 0n]
  await db
    .insert(invoices)
    .values({ ...draft, status: 'draft', subtotal: sum, total, carriedToCredit })
}

export async function userExists(db: Db, id: Id<'usr'>): Promise<boolean> {
  const rows = await db.select({ id: users.id }).from(users).where(eq(users.id, id))
  return rows.length === 1
}
