import { and, desc, eq, isNull, notInArray, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { paymentCustomers, paymentMethods } from '#db/schema/payments'
import type { Id } from '#lib/id'

export type PaymentMethod = typeof paymentMethods.$inferSelect

const isKept = isNull(paymentMethods.removedAt)

export async function findCustomer(db: Db, userId: Id<'usr'>): Promise<string | null> {
  const [row] = await db.select().from(paymentCustomers).where(eq(paymentCustomers.userId, userId))
  return row?.externalId ?? null
}

export async function findUserOfCustomer(db: Db, externalId: string): Promise<Id<'usr'> | null> {
  const [row] = await db
    .select()
    .from(paymentCustomers)
    .where(eq(paymentCustomers.externalId, externalId))
  return row?.userId ?? null
}

/** The customer of whoever has, or had, this method. */
export async function findCustomerOfMethod(db: Db, externalId: string): Promise<string | null> {
  const [row] = await db
    .select({ customer: paymentCustomers.externalId })
    .from(paymentMethods)
    .innerJoin(paymentCustomers, eq(paymentCustomers.userId, paymentMethods.userId))
    .where(eq(paymentMethods.externalId, externalId))
  return row?.customer ?? null
}

/** Of two that come at once the first stays. */
export async function insertCustomer(
  db: Db,
  row: typeof paymentCustomers.$inferInsert,
): Promise<void> {
  await db.insert(paymentCustomers).values(row).onConflictDoNothing()
}

/** Those that can be charged, newest first: the first one is. */
export function listMethods(db: Db, userId: Id<'usr'>): Promise<PaymentMethod[]> {
  return db
    .select()
    .from(paymentMethods)
    .where(and(eq(paymentMethods.userId, userId), isKept))
    .orderBy(desc(paymentMethods.createdAt), desc(paymentMethods.id))
}

export async function findMethod(db: Db, id: Id<'pm'>): Promise<PaymentMethod | null> {
  const [row] = await db
    .select()
    .from(paymentMethods)
    .where(and(eq(paymentMethods.id, id), isKept))
  return row ?? null
}

export async function findExternalId(db: Db, id: Id<'pm'>): Promise<string | null> {
  const [row] = await db.select().from(paymentMethods).where(eq(paymentMethods.id, id))
  return row?.externalId ?? null
}

/** Writes methods; of one that is known what is printed on it. */
export async function upsertMethods(
  db: Db,
  rows: (typeof paymentMethods.$inferInsert)[],
): Promise<void> {
  if (rows.length === 0) return
  await db
    .insert(paymentMethods)
    .values(rows)
    .onConflictDoUpdate({
      target: paymentMethods.externalId,
      set: {
        ...{ expiryMonth: sql`excluded.expiry_month`, expiryYear: sql`excluded.expiry_year` },
        ...{ lastFour: sql`excluded.last_four`, removedAt: null },
      },
    })
}

/** Takes away every method of a user's that is not among those that are left. */
export async function removeMethodsBut(
  db: Db,
  userId: Id<'usr'>,
  left: string[],
  at: Date,
): Promise<void> {
  await db
    .update(paymentMethods)
    .set({ removedAt: at })
    .where(
      and(
        eq(paymentMethods.userId, userId),
        isKept,
        left.length > 0 ? notInArray(paymentMethods.externalId, left) : undefined,
      ),
    )
}
