import { eq, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { disputes, paymentRecords } from '#db/schema/payments'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'

export type Dispute = typeof disputes.$inferSelect

export async function findDispute(db: Db, externalId: string): Promise<Dispute | null> {
  const [row] = await db.select().from(disputes).where(eq(disputes.externalId, externalId))
  return row ?? null
}

export async function insertDispute(tx: Db, row: typeof disputes.$inferInsert): Promise<Dispute> {
  const [dispute] = await tx.insert(disputes).values(row).returning()
  return invariant(dispute, row.id)
}

export async function closeDispute(
  tx: Db,
  id: Id<'dsp'>,
  status: 'won' | 'lost',
  closedAt: Date,
): Promise<void> {
  await tx.update(disputes).set({ status, closedAt }).where(eq(disputes.id, id))
}

/** Freezes a part of a payment, or lets it go where `amount` is below 0. */
export async function freeze(tx: Db, id: Id<'pay'>, amount: bigint): Promise<void> {
  await tx
    .update(paymentRecords)
    .set({ amountDisputed: sql`${paymentRecords.amountDisputed} + ${amount}` })
    .where(eq(paymentRecords.id, id))
}
