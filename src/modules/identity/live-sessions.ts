import type { Db } from '#db/client'
import type { Role } from '#lib/access'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import { findSessionWithUser, type UserRow } from './repository'

/** What every request asks about its session. */
export interface LiveSession {
  userId: Id<'usr'>
  roles: Role[]
  status: UserRow['status']
  expiresAt: Date
}

interface Entry {
  session: LiveSession
  readAt: number
}

/** Within this time a revocation, a role or a suspension made by another process takes effect. */
const KEPT_MS = 5_000
const MAX_ENTRIES = 10_000

/**
 * Sessions that are not revoked, with the present roles of their users, remembered for five seconds.
 * What this process itself changes is to be forgotten after the commit, and so takes effect at once.
 */
export class LiveSessions {
  private readonly entries = new Map<Id<'ses'>, Entry>()
  /** A reading begun before something was forgotten may be older than the change. */
  private changes = 0

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  /** @returns null when the session is unknown or revoked; its expiry is for the caller to judge */
  async find(sessionId: Id<'ses'>): Promise<LiveSession | null> {
    const now = this.clock.now().getTime()
    const known = this.entries.get(sessionId)
    // A clock that was set back must not keep an entry for ever.
    if (known && Math.abs(now - known.readAt) < KEPT_MS) return known.session
    const changes = this.changes
    const session = await this.read(sessionId)
    this.entries.delete(sessionId)
    if (session && this.changes === changes) this.remember(sessionId, { session, readAt: now })
    return session
  }

  forget(sessionId: Id<'ses'>): void {
    this.changes++
    this.entries.delete(sessionId)
  }

  /** After a change of roles or status. */
  forgetUser(userId: Id<'usr'>): void {
    this.changes++
    for (const [sessionId, { session }] of this.entries)
      if (session.userId === userId) this.entries.delete(sessionId)
  }

  private async read(sessionId: Id<'ses'>): Promise<LiveSession | null> {
    const found = await findSessionWithUser(this.db, sessionId)
    if (!found || found.session.revokedAt !== null) return null
    const { id: userId, roles, status } = found.user
    return { userId, roles, status, expiresAt: found.session.expiresAt }
  }

  private remember(sessionId: Id<'ses'>, entry: Entry): void {
    if (this.entries.size >= MAX_ENTRIES) this.forgetOldest()
    this.entries.set(sessionId, entry)
  }

  /** A map keeps the order of insertion, and an entry is inserted anew whenever it is read. */
  private forgetOldest(): void {
    const oldest = this.entries.keys().next()
    if (!oldest.done) this.entries.delete(oldest.value)
  }
}
