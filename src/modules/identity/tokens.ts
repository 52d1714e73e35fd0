import { randomUUID } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { NotAuthenticated } from '#infra/http'
import type { Role } from '#lib/access'
import type { Clock } from '#lib/clock'
import { type Id, parseId } from '#lib/id'
import { ACCESS_TOKEN_SECONDS, ALGORITHM, type SigningKeys } from './signing-keys'

/** Whom a token speaks for. */
export interface TokenSubject {
  userId: Id<'usr'>
  sessionId: Id<'ses'>
}

export type SignAccessToken = (subject: TokenSubject, roles: Role[]) => Promise<string>

export interface TokenIssue {
  issuer: string
  audience: string
}

/** RFC 9068 §2.1: keeps any other JWT from being taken for an access token. */
const TYPE = 'at+jwt'
const REQUIRED_CLAIMS = ['sub', 'sid', 'iat', 'exp', 'jti']

/** Signs and checks access tokens: JWTs (RFC 7519) with EdDSA over Ed25519 (RFC 8037). */
export class AccessTokens {
  constructor(
    private readonly keys: SigningKeys,
    private readonly clock: Clock,
    private readonly issue: TokenIssue,
  ) {}

  /** What signs from now on; asked for before a transaction, since it may need the database. */
  async signer(): Promise<SignAccessToken> {
    const { kid, privateKey } = await this.keys.current()
    return ({ userId, sessionId }, roles) => {
      const issuedAt = Math.floor(this.clock.now().getTime() / 1000)
      return new SignJWT({ sid: sessionId, roles })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid })
        .setIssuer(this.issue.issuer)
        .setAudience(this.issue.audience)
        .setSubject(userId)
        .setJti(randomUUID())
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + ACCESS_TOKEN_SECONDS)
        .sign(privateKey)
    }
  }

  /**
   * Checks signature and claims; whether the session still lives is the caller's question.
   * @throws NotAuthenticated `token_expired` or `token_invalid`
   */
  async verify(token: string): Promise<TokenSubject> {
    const payload = await this.payloadOf(token)
    const userId = parseId('usr', String(payload.sub))
    const sessionId = parseId('ses', String(payload.sid))
    if (!userId || !sessionId) throw new NotAuthenticated('token_invalid')
    return { userId, sessionId }
  }

  private async payloadOf(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, (header) => this.keyOf(header.kid), {
        ...this.issue,
        algorithms: [ALGORITHM],
        typ: TYPE,
        requiredClaims: REQUIRED_CLAIMS,
        currentDate: this.clock.now(),
      })
      return payload
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new NotAuthenticated('token_expired')
      if (error instanceof errors.JOSEError) throw new NotAuthenticated('token_invalid')
      throw error
    }
  }

  private async keyOf(kid: string | undefined) {
    const key = kid === undefined ? null : await this.keys.publicKey(kid)
    if (!key) throw new errors.JWKSNoMatchingKey()
    return key
  }
}
