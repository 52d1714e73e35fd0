import { createHash, timingSafeEqual } from 'node:crypto'
import { NotAuthenticated, PermissionMissing } from '#infra/http'
import { type Access, type Actor, hasPermission, type Permission } from '#lib/access'
import type { Clock } from '#lib/clock'
import { AccountNotActive } from './errors'
import type { LiveSessions } from './live-sessions'
import type { AccessTokens } from './tokens'

const BEARER = /^Bearer +(\S+) *$/i
/** Ours have about 500 characters; more is not worth a parse. */
const MAX_TOKEN_LENGTH = 4096

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Decides for every request who is calling, and whether that caller may. */
export class Authorizer {
  private readonly machineTokens: Buffer[]

  /** @param machineTokens all that are valid now: several, so that one can be replaced in peace */
  constructor(
    private readonly tokens: AccessTokens,
    private readonly sessions: LiveSessions,
    private readonly clock: Clock,
    machineTokens: string[],
  ) {
    this.machineTokens = machineTokens.map(sha256)
  }

  /**
   * @returns the caller, or null where nobody in particular is calling
   * @throws NotAuthenticated (401), AccountNotActive and PermissionMissing (403)
   */
  async authorize(request: Request, access: Access): Promise<Actor | null> {
    if (access === 'public') return null
    const token = bearerOf(request)
    return access === 'gateway' ? this.checkMachine(token) : this.checkUser(token, access)
  }

  private async checkUser(token: string, permission: Permission): Promise<Actor> {
    const { userId, sessionId } = await this.tokens.verify(token)
    const session = await this.sessions.find(sessionId)
    if (!session || session.userId !== userId || session.expiresAt <= this.clock.now())
      throw new NotAuthenticated('token_invalid')
    const { status, roles } = session
    if (status !== 'active') throw new AccountNotActive(status)
    if (!hasPermission(roles, permission)) throw new PermissionMissing(permission)
    return { userId, sessionId, roles }
  }

  private checkMachine(token: string): null {
    const given = sha256(token)
    // Every one is compared, so that the time does not tell which was nearly right.
    const matches = this.machineTokens.filter((valid) => timingSafeEqual(valid, given))
    if (matches.length === 0) throw new NotAuthenticated('token_invalid')
    return null
  }
}

function bearerOf(request: Request): string {
  const header = request.headers.get('authorization')
  if (header === null) throw new NotAuthenticated('token_missing')
  const token = BEARER.exec(header)?.[1] ?? ''
  if (token === '' || token.length > MAX_TOKEN_LENGTH) throw new NotAuthenticated('token_invalid')
  return token
}
