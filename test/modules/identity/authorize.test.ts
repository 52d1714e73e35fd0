import { createHmac } from 'node:crypto'
import { eq } from 'drizzle-orm'
import {
  createLocalJWKSet,
  decodeProtectedHeader,
  generateKeyPair,
  type JSONWebKeySet,
  jwtVerify,
  SignJWT,
} from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { signingKeys, users } from '#db/schema/identity'
import { createBundle, MACHINE_TOKENS, Replica, type SignedIn } from './identity-app'

let bundle: Awaited<ReturnType<typeof createBundle>>
let ada: SignedIn
beforeAll(async () => {
  bundle = await createBundle()
  ada = await bundle.first.register('ada@example.com')
})
afterAll(() => bundle.database.drop())

const MINUTE_MS = 60_000
const PROTECTED: [string, string][] = [
  ['GET', '/auth/me'],
  ['GET', '/auth/sessions'],
  ['POST', '/auth/logout'],
  ['DELETE', `/auth/sessions/ses_${'0'.repeat(32)}`],
]

const jwksOf = async (replica: Replica) =>
  (await replica.call<JSONWebKeySet>('GET', '/.well-known/jwks.json')).body
const codeOf = ({ status, body }: { status: number; body: { code: string } }) => [status, body.code]
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const partsOf = (token: string) =>
  token
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
const INVALID = [401, 'token_invalid']

describe('who is calling', () => {
  test.each(PROTECTED)('%s %s needs a token', async (method, path) => {
    const without = await bundle.first.call(method, path)
    expect(codeOf(without)).toEqual([401, 'token_missing'])
    expect(without.headers.get('www-authenticate')).toMatch(/^Bearer/)
    expect(codeOf(await bundle.first.call(method, path, { token: 'junk' }))).toEqual(INVALID)
  })

  test.each(PROTECTED)('%s %s needs a role', async (method, path) => {
    const { user, accessToken } = await bundle.first.register(
      `bare${method}${path.length}@example.com`,
    )
    await bundle.database.db.update(users).set({ roles: [] }).where(eq(users.email, user.email))
    const answer = await bundle.first.call(method, path, { token: accessToken })
    expect(codeOf(answer)).toEqual([403, 'permission_missing'])
  })

  test.each([
    ['of another scheme', 'Basic YTpi'],
    ['without a token', 'Bearer'],
    ['with two tokens', 'Bearer a b'],
    ['that is huge', `Bearer ${'a'.repeat(5000)}`],
  ])('a header %s is refused', async (_what, authorization) => {
    const answer = await bundle.first.call('GET', '/auth/me', { headers: { authorization } })
    expect(codeOf(answer)).toEqual(INVALID)
  })

  test('a role that lacks the permission is refused', async () => {
    const answer = await bundle.first.call('GET', '/probe/admin', { token: ada.accessToken })
    expect(codeOf(answer)).toEqual([403, 'permission_missing'])
  })

  test('roles are those of now, not those of the token', async () => {
    const { user, accessToken: token } = await bundle.first.register('risen@example.com')
    expect((await bundle.first.call('GET', '/probe/admin', { token })).status).toBe(403)
    await bundle.database.db
      .update(users)
      .set({ roles: ['admin'] })
      .where(eq(users.email, user.email))
    bundle.first.identity.forgetUser(user.id as `usr_${string}`)
    const answer = await bundle.first.call<{ roles: string[] }>('GET', '/probe/admin', { token })
    expect(answer.body.roles).toEqual(['admin'])
  })

  test('a suspended user is refused, and cannot refresh', async () => {
    const { user, accessToken, refreshToken } = await bundle.first.register('bad@example.com')
    expect((await bundle.first.me(accessToken)).status).toBe(200)
    await bundle.database.db
      .update(users)
      .set({ status: 'suspended' })
      .where(eq(users.email, user.email))
    bundle.clock.advance(5_000)
    expect(codeOf(await bundle.first.me(accessToken))).toEqual([403, 'account_not_active'])
    expect((await bundle.first.refresh(refreshToken)).status).toBe(403)
  })

  test('a token is good for fifteen minutes', async () => {
    const own = await createBundle()
    try {
      const { accessToken } = await own.first.register('late@example.com')
      own.clock.advance(14 * MINUTE_MS)
      expect((await own.first.me(accessToken)).status).toBe(200)
      own.clock.advance(MINUTE_MS)
      expect(codeOf(await own.first.me(accessToken))).toEqual([401, 'token_expired'])
    } finally {
      await own.database.drop()
    }
  })
})

describe('machines', () => {
  test('every token that is valid now is taken', async () => {
    for (const token of MACHINE_TOKENS)
      expect((await bundle.first.call('GET', '/probe/machine', { token })).status).toBe(200)
  })

  test('anything else is refused', async () => {
    expect(codeOf(await bundle.first.call('GET', '/probe/machine'))).toEqual([401, 'token_missing'])
    for (const token of ['wrong', ada.accessToken, `${MACHINE_TOKENS[0]}x`])
      expect(codeOf(await bundle.first.call('GET', '/probe/machine', { token }))).toEqual(INVALID)
    expect(codeOf(await bundle.first.me(MACHINE_TOKENS[0]!))).toEqual(INVALID)
  })
})

describe('access tokens', () => {
  test('can be checked from outside with the published keys', async () => {
    const jwks = await jwksOf(bundle.first)
    const { payload, protectedHeader } = await jwtVerify(ada.accessToken, createLocalJWKSet(jwks), {
      issuer: 'veil',
      audience: 'veil-api',
      currentDate: bundle.clock.now(),
    })
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: jwks.keys[0]?.kid })
    expect(payload).toMatchObject({ sub: ada.user.id, roles: ['consumer'] })
    expect(payload.exp! - payload.iat!).toBe(900)
    expect(payload.jti).toMatch(/^[\da-f-]{36}$/)
    expect(payload.sid).toMatch(/^ses_[\da-f]{32}$/)
  })

  test('only public parts of the keys are published, and none is kept in the clear', async () => {
    for (const key of (await jwksOf(bundle.first)).keys)
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x'])
    for (const row of await bundle.database.db.select().from(signingKeys))
      expect(row.encryptedPrivateJwk).not.toMatch(/"d"|kty/)
  })

  test('alg none is refused', async () => {
    const [header, payload] = partsOf(ada.accessToken)
    for (const alg of ['none', 'None', 'NONE']) {
      const forged = `${base64({ ...header, alg })}.${base64(payload)}.`
      expect(codeOf(await bundle.first.me(forged))).toEqual(INVALID)
    }
  })

  test('HS256 with the public key as secret is refused', async () => {
    const [header, payload] = partsOf(ada.accessToken)
    const [key] = (await jwksOf(bundle.first)).keys
    const signed = `${base64({ ...header, alg: 'HS256' })}.${base64(payload)}`
    const secrets = [key?.x ?? '', Buffer.from(key?.x ?? '', 'base64url'), JSON.stringify(key)]
    for (const secret of secrets) {
      const signature = createHmac('sha256', secret).update(signed).digest('base64url')
      expect(codeOf(await bundle.first.me(`${signed}.${signature}`))).toEqual(INVALID)
    }
  })

  test('changed claims are refused', async () => {
    const [header, payload] = partsOf(ada.accessToken)
    const signature = ada.accessToken.split('.')[2]
    const changed = base64({ ...payload, exp: payload.exp + 3600 })
    expect(codeOf(await bundle.first.me(`${base64(header)}.${changed}.${signature}`))).toEqual(
      INVALID,
    )
  })

  test('a key of somebody else is refused, whatever kid it claims or carries', async () => {
    const { privateKey } = await generateKeyPair('EdDSA')
    const { kid } = decodeProtectedHeader(ada.accessToken)
    const [, payload] = partsOf(ada.accessToken)
    const headers: { kid?: string }[] = [{ kid: kid ?? '' }, { kid: 'unknown' }, {}]
    for (const header of headers) {
      const forged = await new SignJWT(payload)
        .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', ...header })
        .sign(privateKey)
      expect(codeOf(await bundle.first.me(forged))).toEqual(INVALID)
    }
  })
})

describe('signing keys', () => {
  test('replicas that start at once accept the tokens of each other', async () => {
    const own = await createBundle()
    try {
      const replicas = [own.first, own.second, own.replica(), own.replica()]
      const signedIn = await Promise.all(
        replicas.map((replica, index) => replica.register(`user${index}@example.com`)),
      )
      for (const replica of replicas)
        for (const { accessToken } of signedIn)
          expect((await replica.me(accessToken)).status).toBe(200)
      expect(await own.database.db.select().from(signingKeys)).toHaveLength(1)
    } finally {
      await own.database.drop()
    }
  })

  test('after a rotation old tokens stay good until they expire, and the old key goes', async () => {
    const own = await createBundle()
    try {
      const old = await own.first.register('rotate@example.com')
      expect((await own.second.me(old.accessToken)).status).toBe(200)
      own.clock.advance(1_000)
      const { kid } = await own.first.identity.rotateSigningKey()
      const fresh = await own.first.login('rotate@example.com')
      expect(decodeProtectedHeader(fresh.body.accessToken).kid).toBe(kid)
      expect(decodeProtectedHeader(old.accessToken).kid).not.toBe(kid)
      for (const replica of [own.first, own.second])
        for (const token of [old.accessToken, fresh.body.accessToken])
          expect((await replica.me(token)).status).toBe(200)
      expect((await jwksOf(own.first)).keys.map((key) => key.kid)).toContain(kid)
      expect((await jwksOf(own.first)).keys).toHaveLength(2)
      // The other replica signs with the old key until it looks again, and that is still accepted.
      own.clock.advance(59_000)
      const stale = await own.second.login('rotate@example.com')
      own.clock.advance(14 * MINUTE_MS)
      expect((await own.first.me(stale.body.accessToken)).status).toBe(200)
      own.clock.advance(3 * MINUTE_MS)
      expect((await jwksOf(own.first)).keys.map((key) => key.kid)).toEqual([kid])
      await own.first.identity.rotateSigningKey()
      const kept = await own.database.db.select().from(signingKeys)
      expect(kept).toHaveLength(2)
    } finally {
      await own.database.drop()
    }
  })

  test('a token of a deleted key is refused', async () => {
    const own = await createBundle()
    try {
      const { accessToken } = await own.first.register('deleted@example.com')
      await own.database.db.delete(signingKeys)
      expect(codeOf(await own.second.me(accessToken))).toEqual(INVALID)
      own.clock.advance(MINUTE_MS)
      expect(codeOf(await own.first.me(accessToken))).toEqual(INVALID)
      const again = await own.first.login('deleted@example.com')
      expect((await own.second.me(again.body.accessToken)).status).toBe(200)
    } finally {
      await own.database.drop()
    }
  })

  test('a changed VEIL_SECRET is said in the log, and a rotation mends it', async () => {
    const own = await createBundle()
    try {
      await own.first.register('secret@example.com')
      const changed = new Replica(own.database, own.clock, 'another secret of the same operator')
      expect((await changed.login('secret@example.com')).status).toBe(500)
      expect(changed.logLines.join()).toContain('VEIL_SECRET is not the one that sealed it')
      await changed.identity.rotateSigningKey()
      expect((await changed.login('secret@example.com')).status).toBe(200)
    } finally {
      await own.database.drop()
    }
  })
})
