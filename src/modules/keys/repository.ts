import { and, desc, eq, getTableColumns, inArray, isNull, type SQL } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { apiKeys, type KeyStatus } from '#db/schema/keys'
import { apiSubscriptions } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { PageRequest } from '#lib/page'

export type Key = typeof apiKeys.$inferSelect

export async function insertKey(db: Db, row: typeof apiKeys.$inferInsert): Promise<void> {
  await db.insert(apiKeys).values(row)
}

function owned(userId: Id<'usr'>, ...filters: (SQL | undefined)[]) {
  return and(eq(apiSubscriptions.userId, userId), isNull(apiKeys.deletedAt), ...filters)
}

function selectKeys(db: Db) {
  return db
    .select(getTableColumns(apiKeys))
    .from(apiKeys)
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, apiKeys.subscriptionId))
}

export async function findKey(db: Db, userId: Id<'usr'>, id: Id<'key'>): Promise<Key | null> {
  const [row] = await selectKeys(db).where(owned(userId, eq(apiKeys.id, id)))
  return row ?? null
}

export function listKeys(
  db: Db,
  userId: Id<'usr'>,
  subscriptionId: Id<'sub'> | null,
  page: PageRequest,
): Promise<Key[]> {
  const filter = subscriptionId ? eq(apiKeys.subscriptionId, subscriptionId) : undefined
  return selectKeys(db)
    .where(owned(userId, filter, olderThan(apiKeys, page.after)))
    .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
    .limit(page.limit + 1)
}

type Change = Partial<Omit<Key, 'id' | 'subscriptionId' | 'apiId' | 'secretHash' | 'changedXid'>>

/** Changes keys that are in one of these states; what has moved on meanwhile is left alone. @returns which */
export async function changeKeys(
  db: Db,
  which: { ids: Id<'key'>[] } | { subscriptionId: Id<'sub'> },
  from: KeyStatus[],
  change: Change,
): Promise<Id<'key'>[]> {
  const where =
    'ids' in which
      ? inArray(apiKeys.id, which.ids)
      : eq(apiKeys.subscriptionId, which.subscriptionId)
  const rows = await db
    .update(apiKeys)
    .set(change)
    .where(and(where, inArray(apiKeys.status, from)))
    .returning({ id: apiKeys.id })
  return rows.map(({ id }) => id)
}

/** The key that was made to succeed this one, if any. */
export async function findSuccessor(db: Db, id: Id<'key'>): Promise<Id<'key'> | null> {
  const [row] = await db
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(eq(apiKeys.predecessorId, id))
  return row?.id ?? null
}

export async function expiryOf(db: Db, id: Id<'key'>): Promise<Date | null> {
  const [row] = await db
    .select({ expiresAt: apiKeys.expiresAt })
    .from(apiKeys)
    .where(eq(apiKeys.id, id))
  return row?.expiresAt ?? null
}

/** Unmakes a successor that nobody has seen; one that was revoked meanwhile is a successor no more. */
export async function unmakeSuccessor(db: Db, id: Id<'key'>): Promise<void> {
  await db.delete(apiKeys).where(and(eq(apiKeys.predecessorId, id), eq(apiKeys.status, 'pending')))
  await db.update(apiKeys).set({ predecessorId: null }).where(eq(apiKeys.predecessorId, id))
}

export async function deleteKeysOf(db: Db, subscriptionId: Id<'sub'>): Promise<void> {
  await db.delete(apiKeys).where(eq(apiKeys.subscriptionId, subscriptionId))
}

export async function idsWithStatus(db: Db, status: KeyStatus): Promise<Id<'key'>[]> {
  const rows = await db.select({ id: apiKeys.id }).from(apiKeys).where(eq(apiKeys.status, status))
  return rows.map(({ id }) => id)
}
