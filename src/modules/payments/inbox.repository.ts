import { eq, lt } from 'drizzle-orm'
import type { Db } from '#db/client'
import { webhookInbox } from '#db/schema/payments'
import type { Id } from '#lib/id'

export type InboxEvent = typeof webhookInbox.$inferSelect

/** @returns false when the event is in the inbox already */
export async function insertEvent(db: Db, row: typeof webhookInbox.$inferInsert): Promise<boolean> {
  const rows = await db
    .insert(webhookInbox)
    .values(row)
    .onConflictDoNothing({ target: [webhookInbox.source, webhookInbox.externalId] })
    .returning({ id: webhookInbox.id })
  return rows.length === 1
}

export async function findEvent(db: Db, id: Id<'whi'>): Promise<InboxEvent | null> {
  const [row] = await db.select().from(webhookInbox).where(eq(webhookInbox.id, id))
  return row ?? null
}

export async function markHandled(db: Db, id: Id<'whi'>, at: Date): Promise<void> {
  await db.update(webhookInbox).set({ handledAt: at }).where(eq(webhookInbox.id, id))
}

/** Forgets what came before an instant. @returns how many */
export async function deleteEvents(db: Db, before: Date): Promise<number> {
  const deleted = await db
    .delete(webhookInbox)
    .where(lt(webhookInbox.receivedAt, before))
    .returning({ id: webhookInbox.id })
  return deleted.length
}
