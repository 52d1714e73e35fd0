import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Access, Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { type Id, newId, parseId } from '#lib/id'
import { type Page, type PageRequest, toPage } from '#lib/page'
import type { Sealer } from '#lib/sealing'
import { Authorizer } from './authorize'
import { AccountNotActive, EmailTaken, LoginLocked, LoginRefused, SessionNotFound } from './errors'
import { createFirstAdmin, type FirstAdmin, type FirstAdminInput } from './first-admin'
import { LiveSessions } from './live-sessions'
import { type PasswordCost, Passwords } from './password'
import {
  clearLoginFailures,
  countLoginFailure,
  findUser,
  findUserByEmail,
  insertUser,
  listLiveSessions,
  type RevokeReason,
  revokeSession,
  type UserRow,
} from './repository'
import type { Jwks, LoginInput, RegisterInput, Session, SignedIn, Tokens, User } from './schemas'
import { type Device, SessionTokens } from './sessions'
import { SigningKeys } from './signing-keys'
import { AccessTokens } from './tokens'
import { toSession, toUser } from './views'

const FAILURES_UNTIL_LOCK = 10
const LOCK_MS = 15 * 60_000

const normalizeEmail = (email: string): string => email.trim().toLowerCase()

export interface IdentityOptions {
  db: Db
  clock: Clock
  /** Made for the purpose `signing-keys`. */
  sealer: Sealer
  /** Tokens that machines may present now. */
  machineTokens: string[]
  /** `iss` and `aud` of access tokens. */
  issuer?: string
  audience?: string
  /** OWASP's unless stated. */
  passwordCost?: PasswordCost
}

/** Accounts, their sessions, and who may do what. */
export class IdentityService {
  private readonly db: Db
  private readonly clock: Clock
  private readonly passwords: Passwords
  private readonly keys: SigningKeys
  private readonly live: LiveSessions
  private readonly tokens: SessionTokens
  private readonly authorizer: Authorizer

  constructor(options: IdentityOptions) {
    const { db, clock, sealer, issuer = 'veil', audience = 'veil-api' } = options
    this.db = db
    this.clock = clock
    this.passwords = new Passwords(options.passwordCost)
    this.keys = new SigningKeys(db, clock, sealer)
    this.live = new LiveSessions(db, clock)
    const accessTokens = new AccessTokens(this.keys, clock, { issuer, audience })
    this.tokens = new SessionTokens(db, clock, accessTokens, this.live)
    this.authorizer = new Authorizer(accessTokens, this.live, clock, options.machineTokens)
  }

  /**
   * Checks the caller against what a route states.
   * @returns the caller, or null where nobody in particular is calling
   * @throws NotAuthenticated (401), AccountNotActive and PermissionMissing (403)
   */
  authorize(request: Request, access: Access): Promise<Actor | null> {
    return this.authorizer.authorize(request, access)
  }

  /**
   * Makes an admin if there is none. Safe to repeat, and in several replicas at once.
   * @throws FirstAdminEmailTaken
   */
  ensureFirstAdmin({ email, password }: FirstAdminInput): Promise<FirstAdmin> {
    const input = { email: normalizeEmail(email), password }
    return createFirstAdmin(this.db, this.clock, this.passwords, input)
  }

  /** Signs with a new key from now on; tokens of the old one stay good until they expire. */
  rotateSigningKey(): Promise<{ kid: string }> {
    return this.keys.rotate()
  }

  jwks(): Promise<Jwks> {
    return this.keys.jwks()
  }

  /** To be called after the commit of a change of roles or status: in this process it then holds at
   * once, in others within five seconds. */
  forgetUser(userId: Id<'usr'>): void {
    this.live.forgetUser(userId)
  }

  /** @throws EmailTaken */
  async register(input: RegisterInput, device: Device): Promise<SignedIn> {
    const passwordHash = await this.passwords.hash(input.password)
    const sign = await this.tokens.signer()
    const at = this.clock.now()
    return this.db.transaction(async (tx) => {
      const user = await insertUser(tx, {
        id: newId('usr', this.clock),
        email: normalizeEmail(input.email),
        passwordHash,
        name: input.name.trim(),
        roles: input.roles ?? ['consumer'],
        createdAt: at,
        updatedAt: at,
      })
      if (!user) throw new EmailTaken()
      const details = { roles: user.roles }
      await recordAudit(tx, {
        actorId: user.id,
        action: 'user.registered',
        subjectId: user.id,
        details,
        at,
      })
      return { user: toUser(user), ...(await this.tokens.open(tx, user, device, sign)) }
    })
  }

  /**
   * The same work is done for an unknown email as for a wrong password.
   * @throws LoginRefused, LoginLocked, AccountNotActive
   */
  async login(input: LoginInput, device: Device): Promise<SignedIn> {
    const email = normalizeEmail(input.email)
    const user = await findUserByEmail(this.db, email)
    this.assertNotLocked(user)
    const matches = await this.passwords.verify(input.password, user?.passwordHash ?? null)
    if (!user || !matches) return this.refuseLogin(email)
    if (user.status !== 'active') throw new AccountNotActive(user.status)
    const sign = await this.tokens.signer()
    const signedIn = await this.db.transaction(async (tx) => {
      if (!(await clearLoginFailures(tx, user.id, this.clock.now()))) return null
      return { user: toUser(user), ...(await this.tokens.open(tx, user, device, sign)) }
    })
    return signedIn ?? this.refuseLocked(email)
  }

  /** @throws RefreshTokenReused, RefreshTokenInvalid, AccountNotActive */
  refresh(refreshToken: string): Promise<Tokens> {
    return this.tokens.rotate(refreshToken)
  }

  async logout(actor: Actor): Promise<void> {
    await this.end(actor, actor.sessionId, 'logout')
  }

  async me(actor: Actor): Promise<User> {
    return toUser(invariant(await findUser(this.db, actor.userId), 'the caller has an account'))
  }

  /** The caller's sessions that live, newest first. */
  async listSessions(actor: Actor, page: PageRequest): Promise<Page<Session>> {
    const rows = await listLiveSessions(this.db, actor.userId, this.clock.now(), page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map((row) => toSession(row, actor.sessionId)), nextCursor }
  }

  /**
   * Ends one of the caller's sessions, at once in this process and within five seconds in others.
   * @throws SessionNotFound for somebody else's as well
   */
  async revokeSession(actor: Actor, sessionId: string): Promise<void> {
    await this.end(actor, sessionId, 'revoked')
  }

  private async end(actor: Actor, id: string, reason: RevokeReason): Promise<void> {
    const sessionId = parseId('ses', id)
    if (!sessionId) throw new SessionNotFound(id)
    const { userId } = actor
    const now = this.clock.now()
    await this.db.transaction(async (tx) => {
      const found = await revokeSession(tx, sessionId, { now, reason, userId })
      if (!found) throw new SessionNotFound(id)
      const entry = { actorId: userId, action: 'session.revoked', subjectId: sessionId } as const
      await recordAudit(tx, { ...entry, details: { reason }, at: now })
    })
    this.live.forget(sessionId)
  }

  private async refuseLogin(email: string): Promise<never> {
    const now = this.clock.now()
    const counted = await this.db.transaction(async (tx) => {
      const lockedUntil = new Date(now.getTime() + LOCK_MS)
      const limit = { now, failures: FAILURES_UNTIL_LOCK, lockedUntil }
      const failure = await countLoginFailure(tx, email, limit)
      if (failure?.lockedUntil) {
        const entry = { actorId: null, action: 'user.locked', subjectId: failure.userId } as const
        await recordAudit(tx, { ...entry, details: { failures: FAILURES_UNTIL_LOCK }, at: now })
      }
      return failure
    })
    if (!counted) return this.refuseLocked(email)
    throw new LoginRefused()
  }

  /** For an account that was locked between the look at it and the answer. */
  private async refuseLocked(email: string): Promise<never> {
    this.assertNotLocked(await findUserByEmail(this.db, email))
    throw new LoginRefused()
  }

  private assertNotLocked(user: UserRow | null): void {
    const leftMs = (user?.lockedUntil?.getTime() ?? 0) - this.clock.now().getTime()
    if (leftMs > 0) throw new LoginLocked(Math.ceil(leftMs / 1000))
  }
}
