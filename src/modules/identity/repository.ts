import { and, desc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { refreshTokens, sessions, signingKeys, users } from '#db/schema/identity'
import { type Id, parseId } from '#lib/id'
import type { PageRequest } from '#lib/page'

export type UserRow = typeof users.$inferSelect
export type SessionRow = typeof sessions.$inferSelect
export type SigningKeyRow = typeof signingKeys.$inferSelect
export type RevokeReason = NonNullable<SessionRow['revokeReason']>

/** @returns null when the email is taken: the unique constraint decides, whoever comes at once */
export async function insertUser(db: Db, user: typeof users.$inferInsert): Promise<UserRow | null> {
  const rows = await db
    .insert(users)
    .values(user)
    .onConflictDoNothing({ target: users.email })
    .returning()
  return rows[0] ?? null
}

export async function findUserByEmail(db: Db, email: string): Promise<UserRow | null> {
  const [row] = await db.select().from(users).where(eq(users.email, email))
  return row ?? null
}

export async function findUser(db: Db, userId: Id<'usr'>): Promise<UserRow | null> {
  const [row] = await db.select().from(users).where(eq(users.id, userId))
  return row ?? null
}

const notLocked = (now: Date) =>
  or(isNull(users.lockedUntil), sql`${users.lockedUntil} <= ${at(now)}`)

const at = (instant: Date) => sql`${instant.toISOString()}::timestamptz`

/**
 * Counts a failed login, in one statement: of many at once none is lost. The count begins anew
 * after a lock has run out.
 * @returns the user's lock, or null when there is no such user or it is locked already
 */
export async function countLoginFailure(
  db: Db,
  email: string,
  limit: { now: Date; failures: number; lockedUntil: Date },
): Promise<{ userId: Id<'usr'>; lockedUntil: Date | null } | null> {
  const { now, failures, lockedUntil } = limit
  const count = sql<number>`case when ${users.lockedUntil} is null
    then ${users.failedLogins} + 1 else 1 end`
  const rows = await db
    .update(users)
    .set({
      failedLogins: count,
      lockedUntil: sql`case when ${count} >= ${failures} then ${at(lockedUntil)} end`,
    })
    .where(and(eq(users.email, email), notLocked(now)))
    .returning({ userId: users.id, lockedUntil: users.lockedUntil })
  return rows[0] ?? null
}

/** @returns false when the account was locked meanwhile: a lock holds for the right password too */
export async function clearLoginFailures(db: Db, userId: Id<'usr'>, now: Date): Promise<boolean> {
  const rows = await db
    .update(users)
    .set({ failedLogins: 0, lockedUntil: null })
    .where(and(eq(users.id, userId), notLocked(now)))
    .returning({ id: users.id })
  return rows.length > 0
}

/** Held until the transaction ends: of two replicas that start at once only one makes the admin. */
export async function lockFirstAdmin(db: Db): Promise<void> {
  await db.execute(sql`select pg_advisory_xact_lock(hashtextextended('identity.first-admin', 0))`)
}

export async function hasAdmin(db: Db): Promise<boolean> {
  const isAdmin = sql`'admin' = any(${users.roles})`
  return (await db.select({ id: users.id }).from(users).where(isAdmin).limit(1)).length > 0
}

export async function insertSession(db: Db, session: typeof sessions.$inferInsert): Promise<void> {
  await db.insert(sessions).values(session)
}

export interface SessionOwner {
  session: SessionRow
  user: UserRow
}

export async function findSessionWithUser(
  db: Db,
  sessionId: Id<'ses'>,
): Promise<SessionOwner | null> {
  const [row] = await db
    .select({ session: sessions, user: users })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(eq(sessions.id, sessionId))
  return row ?? null
}

const isLive = (now: Date) => and(isNull(sessions.revokedAt), gt(sessions.expiresAt, now))

/** Live sessions of a user, newest first, one more than asked for. */
export async function listLiveSessions(
  db: Db,
  userId: Id<'usr'>,
  now: Date,
  { limit, after }: PageRequest,
): Promise<SessionRow[]> {
  const afterId = after && parseId('ses', after.id)
  const position = sql`(${sessions.createdAt}, ${sessions.id})`
  const older = afterId
    ? sql`${position} < (${at(after.createdAt)}, ${afterId.slice('ses_'.length)}::uuid)`
    : undefined
  return db
    .select()
    .from(sessions)
    .where(and(eq(sessions.userId, userId), isLive(now), older))
    .orderBy(desc(sessions.createdAt), desc(sessions.id))
    .limit(limit + 1)
}

/** @returns false when the session has ended; asked and moved at once, since it may end just now */
export async function extendSession(
  db: Db,
  sessionId: Id<'ses'>,
  now: Date,
  expiresAt: Date,
): Promise<boolean> {
  const rows = await db
    .update(sessions)
    .set({ lastUsedAt: now, expiresAt })
    .where(and(eq(sessions.id, sessionId), isLive(now)))
    .returning({ id: sessions.id })
  return rows.length > 0
}

/**
 * Ends a session; the first reason stays. With `userId` only a session of that user.
 * @returns whether there is such a session
 */
export async function revokeSession(
  db: Db,
  sessionId: Id<'ses'>,
  revoke: { now: Date; reason: RevokeReason; userId?: Id<'usr'> },
): Promise<boolean> {
  const rows = await db
    .update(sessions)
    .set({
      revokedAt: sql`coalesce(${sessions.revokedAt}, ${at(revoke.now)})`,
      revokeReason: sql`coalesce(${sessions.revokeReason}, ${revoke.reason})`,
    })
    .where(
      and(
        eq(sessions.id, sessionId),
        revoke.userId === undefined ? undefined : eq(sessions.userId, revoke.userId),
      ),
    )
    .returning({ id: sessions.id })
  return rows.length > 0
}

export async function insertRefreshToken(
  db: Db,
  token: typeof refreshTokens.$inferInsert,
): Promise<void> {
  await db.insert(refreshTokens).values(token)
}

/** Uses the token up. Of many who try at once exactly one gets the session's id, the others null. */
export async function useRefreshToken(
  db: Db,
  hash: Uint8Array,
  now: Date,
): Promise<Id<'ses'> | null> {
  const rows = await db
    .update(refreshTokens)
    .set({ usedAt: now })
    .where(and(eq(refreshTokens.hash, hash), isNull(refreshTokens.usedAt)))
    .returning({ sessionId: refreshTokens.sessionId })
  return rows[0]?.sessionId ?? null
}

export async function findRefreshToken(
  db: Db,
  hash: Uint8Array,
): Promise<typeof refreshTokens.$inferSelect | null> {
  const [row] = await db.select().from(refreshTokens).where(eq(refreshTokens.hash, hash))
  return row ?? null
}

/** Held until the transaction ends: there is one current key, however many replicas look for one. */
export async function lockSigningKeys(db: Db): Promise<void> {
  await db.execute(sql`select pg_advisory_xact_lock(hashtextextended('identity.signing-keys', 0))`)
}

/** Newest first. */
export async function listSigningKeys(db: Db): Promise<SigningKeyRow[]> {
  return db.select().from(signingKeys).orderBy(desc(signingKeys.createdAt), signingKeys.kid)
}

export async function insertSigningKey(db: Db, key: SigningKeyRow): Promise<void> {
  await db.insert(signingKeys).values(key)
}

export async function retireSigningKeys(db: Db, now: Date): Promise<void> {
  await db.update(signingKeys).set({ retiredAt: now }).where(isNull(signingKeys.retiredAt))
}

export async function deleteSigningKeysRetiredBefore(db: Db, before: Date): Promise<void> {
  await db.delete(signingKeys).where(lt(signingKeys.retiredAt, before))
}
