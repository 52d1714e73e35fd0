import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { type Id, newId } from '#lib/id'
import { AccountNotActive, RefreshTokenInvalid, RefreshTokenReused } from './errors'
import type { LiveSessions } from './live-sessions'
import { createRefreshToken, hashRefreshToken } from './refresh-token'
import {
  extendSession,
  findRefreshToken,
  findSessionWithUser,
  insertRefreshToken,
  insertSession,
  revokeSession,
  type SessionRow,
  type UserRow,
  useRefreshToken,
} from './repository'
import type { Tokens } from './schemas'
import type { AccessTokens, SignAccessToken } from './tokens'
import { toTokens } from './views'

const DAY_MS = 86_400_000
/** A session that is not refreshed for so long ends … */
const SLIDING_MS = 30 * DAY_MS
/** … and no session outlives this, however often it is refreshed. */
const ABSOLUTE_MS = 90 * DAY_MS
const MAX_USER_AGENT_LENGTH = 255

/** What a login came from, shown to its owner in the list of sessions. */
export interface Device {
  userAgent: string | null
  ipAddress: string
}

/** Opens sessions and hands their refresh tokens on, each for one use (RFC 9700 §4.14.2). */
export class SessionTokens {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly accessTokens: AccessTokens,
    private readonly live: LiveSessions,
  ) {}

  /** Asked for before the transaction that opens a session. */
  signer(): Promise<SignAccessToken> {
    return this.accessTokens.signer()
  }

  async open(tx: Db, user: UserRow, device: Device, sign: SignAccessToken): Promise<Tokens> {
    const now = this.clock.now()
    const sessionId = newId('ses', this.clock)
    await insertSession(tx, {
      id: sessionId,
      userId: user.id,
      userAgent: device.userAgent?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
      ipAddress: device.ipAddress,
      createdAt: now,
      lastUsedAt: now,
      expiresAt: new Date(now.getTime() + SLIDING_MS),
    })
    return this.issue(tx, user, sessionId, sign)
  }

  /**
   * Trades a refresh token for new tokens. A token that comes a second time was stolen, from the
   * client or by it, and nobody can tell which of the two this is: the whole session ends.
   * @throws RefreshTokenReused, RefreshTokenInvalid, AccountNotActive
   */
  async rotate(refreshToken: string): Promise<Tokens> {
    const hash = hashRefreshToken(refreshToken)
    const sign = await this.signer()
    const tokens = await this.db.transaction(async (tx) => {
      const sessionId = await useRefreshToken(tx, hash, this.clock.now())
      return sessionId ? this.extend(tx, sessionId, sign) : null
    })
    return tokens ?? this.refuseUsed(hash)
  }

  private async extend(tx: Db, sessionId: Id<'ses'>, sign: SignAccessToken): Promise<Tokens> {
    const now = this.clock.now()
    const found = invariant(await findSessionWithUser(tx, sessionId), 'a token has its session')
    const { user, session } = found
    if (!(await extendSession(tx, sessionId, now, expiryOf(session, now))))
      throw new RefreshTokenInvalid()
    if (user.status !== 'active') throw new AccountNotActive(user.status)
    return this.issue(tx, user, sessionId, sign)
  }

  private async issue(
    tx: Db,
    user: UserRow,
    sessionId: Id<'ses'>,
    sign: SignAccessToken,
  ): Promise<Tokens> {
    const { text, hash } = createRefreshToken()
    await insertRefreshToken(tx, { hash, sessionId, issuedAt: this.clock.now() })
    return toTokens(await sign({ userId: user.id, sessionId }, user.roles), text)
  }

  private async refuseUsed(hash: Uint8Array): Promise<never> {
    const token = await findRefreshToken(this.db, hash)
    if (!token) throw new RefreshTokenInvalid()
    const { sessionId } = token
    const at = this.clock.now()
    await this.db.transaction(async (tx) => {
      await revokeSession(tx, sessionId, { now: at, reason: 'token_reuse' })
      const action = 'session.reuse-detected'
      await recordAudit(tx, { actorId: null, action, subjectId: sessionId, at })
    })
    this.live.forget(sessionId)
    throw new RefreshTokenReused()
  }
}

function expiryOf(session: SessionRow, now: Date): Date {
  const latest = session.createdAt.getTime() + ABSOLUTE_MS
  return new Date(Math.min(now.getTime() + SLIDING_MS, latest))
}
