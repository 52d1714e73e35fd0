import { and, asc, count, desc, eq, inArray, isNotNull, lt, notExists, or, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { invoices } from '#db/schema/billing'
import { paymentMethods, paymentRecords } from '#db/schema/payments'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import type { PageRequest } from '#lib/page'

export type Payment = typeof paymentRecords.$inferSelect

const dueColumns = {
  ...{ id: invoices.id, userId: invoices.userId, number: invoices.number },
  ...{ subscriptionId: invoices.subscriptionId, status: invoices.status },
  ...{ currency: invoices.currency, amountDue: invoices.amountDue },
}
/** An invoice, as far as paying it goes. */
export type DueInvoice = Awaited<ReturnType<typeof findInvoice>> & {}

export async function findInvoice(db: Db, id: Id<'inv'>) {
  const [row] = await db.select(dueColumns).from(invoices).where(eq(invoices.id, id))
  return row ?? null
}

/** Whoever moves money for an invoice holds it first; the others wait. */
export async function lockInvoice(tx: Db, id: Id<'inv'>): Promise<DueInvoice> {
  const [row] = await tx
    .select(dueColumns)
    .from(invoices)
    .where(eq(invoices.id, id))
    .for('no key update')
  return invariant(row, id)
}

export async function findPayment(db: Db, id: Id<'pay'>): Promise<Payment | null> {
  const [row] = await db.select().from(paymentRecords).where(eq(paymentRecords.id, id))
  return row ?? null
}

/** By the provider's id of the payment or of the page. */
export async function findByExternalId(db: Db, externalId: string): Promise<Payment | null> {
  const [row] = await db
    .select()
    .from(paymentRecords)
    .where(
      and(
        eq(paymentRecords.provider, 'stripe'),
        or(eq(paymentRecords.externalId, externalId), eq(paymentRecords.checkoutId, externalId)),
      ),
    )
  return row ?? null
}

export async function lockPayment(tx: Db, id: Id<'pay'>): Promise<Payment> {
  const [row] = await tx
    .select()
    .from(paymentRecords)
    .where(eq(paymentRecords.id, id))
    .for('no key update')
  return invariant(row, id)
}

/** The try that is under way. */
export async function findPending(db: Db, invoiceId: Id<'inv'>): Promise<Payment | null> {
  const [row] = await db
    .select()
    .from(paymentRecords)
    .where(and(eq(paymentRecords.invoiceId, invoiceId), eq(paymentRecords.status, 'pending')))
  return row ?? null
}

export async function countAttempts(db: Db, invoiceId: Id<'inv'>): Promise<number> {
  const [row] = await db
    .select({ attempts: count() })
    .from(paymentRecords)
    .where(eq(paymentRecords.invoiceId, invoiceId))
  return row?.attempts ?? 0
}

export async function insertPayment(
  tx: Db,
  row: typeof paymentRecords.$inferInsert,
): Promise<Payment> {
  const [payment] = await tx.insert(paymentRecords).values(row).returning()
  return invariant(payment, row.id)
}

export async function changePayment(
  db: Db,
  id: Id<'pay'>,
  change: Partial<typeof paymentRecords.$inferInsert>,
): Promise<Payment> {
  const [payment] = await db
    .update(paymentRecords)
    .set(change)
    .where(eq(paymentRecords.id, id))
    .returning()
  return invariant(payment, id)
}

/** Notes the provider's id of a try. @returns false when it is not under way any more */
export async function savePending(
  db: Db,
  id: Id<'pay'>,
  ids: Partial<Pick<Payment, 'externalId' | 'checkoutId'>>,
): Promise<boolean> {
  const rows = await db
    .update(paymentRecords)
    .set(ids)
    .where(and(eq(paymentRecords.id, id), eq(paymentRecords.status, 'pending')))
    .returning({ id: paymentRecords.id })
  return rows.length === 1
}

/** Newest first, one more than asked for. @param userId null for everybody's */
export function listPayments(
  db: Db,
  { userId, invoiceId }: { userId: Id<'usr'> | null; invoiceId: Id<'inv'> | null },
  page: PageRequest,
): Promise<Payment[]> {
  return db
    .select()
    .from(paymentRecords)
    .where(
      and(
        userId === null ? undefined : eq(paymentRecords.userId, userId),
        invoiceId === null ? undefined : eq(paymentRecords.invoiceId, invoiceId),
        olderThan(paymentRecords, page.after),
      ),
    )
    .orderBy(desc(paymentRecords.createdAt), desc(paymentRecords.id))
    .limit(page.limit + 1)
}

/** Tries that were begun before an instant and are still under way, oldest first. */
export function listPending(db: Db, before: Date, limit: number): Promise<Payment[]> {
  return db
    .select()
    .from(paymentRecords)
    .where(and(eq(paymentRecords.status, 'pending'), lt(paymentRecords.createdAt, before)))
    .orderBy(asc(paymentRecords.createdAt), asc(paymentRecords.id))
    .limit(limit)
}

/** Invoices finalized before an instant that nobody has tried to collect, though there is a card. */
export async function listUncollected(db: Db, before: Date, limit: number): Promise<Id<'inv'>[]> {
  const tries = db
    .select({ id: paymentRecords.id })
    .from(paymentRecords)
    .where(eq(paymentRecords.invoiceId, invoices.id))
  const cards = db
    .select({ id: paymentMethods.id })
    .from(paymentMethods)
    .where(
      sql`${paymentMethods.userId} = ${invoices.userId} and ${paymentMethods.removedAt} is null`,
    )
  const rows = await db
    .select({ id: invoices.id })
    .from(invoices)
    .where(
      and(
        inArray(invoices.status, ['open', 'past_due']),
        isNotNull(invoices.finalizedAt),
        lt(invoices.finalizedAt, before),
        sql`${invoices.amountDue} > 0`,
        notExists(tries),
        sql`exists ${cards}`,
      ),
    )
    .orderBy(asc(invoices.finalizedAt))
    .limit(limit)
  return rows.map(({ id }) => id)
}
