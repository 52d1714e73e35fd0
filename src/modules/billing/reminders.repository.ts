import { and, asc, eq, gt, lte } from 'drizzle-orm'
import type { Db } from '#db/client'
import { invoices } from '#db/schema/billing'
import { users } from '#db/schema/identity'

/** Open invoices whose day has passed, the oldest first. */
export function overdueInvoices(db: Db, now: Date, limit: number) {
  return db
    .select({ id: invoices.id })
    .from(invoices)
    .where(and(eq(invoices.status, 'open'), lte(invoices.dueAt, now)))
    .orderBy(asc(invoices.dueAt))
    .limit(limit)
}

export type OwedInvoice = Awaited<ReturnType<typeof invoicesDueBetween>>[number]

/** Open invoices that are due after `after` and no later than `until`, with those who owe them. */
export function invoicesDueBetween(db: Db, after: Date, until: Date, limit: number) {
  const { id, number, dueAt, amountDue, currency } = invoices
  return db
    .select({ id, number, dueAt, amountDue, currency, email: users.email, name: users.name })
    .from(invoices)
    .innerJoin(users, eq(users.id, invoices.userId))
    .where(
      and(
        eq(invoices.status, 'open'),
        gt(dueAt, after),
        lte(dueAt, until),
        eq(users.status, 'active'),
      ),
    )
    .orderBy(asc(dueAt), asc(id))
    .limit(limit)
}
