import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { users } from '#db/schema/identity'
import { auditLog } from '#db/schema/infra'
import { createBundle, PASSWORD, type Problem, type SignedIn } from './identity-app'

let bundle: Awaited<ReturnType<typeof createBundle>>
beforeAll(async () => {
  bundle = await createBundle()
})
afterAll(() => bundle.database.drop())

const MINUTE_MS = 60_000

const register = (body: Record<string, unknown>) =>
  bundle.first.call<Problem>('POST', '/auth/register', { body })

describe('register', () => {
  test('opens an account and a session', async () => {
    const { status, body, headers } = await bundle.first.call<SignedIn>('POST', '/auth/register', {
      body: { email: '  Ada@Example.COM ', password: PASSWORD, name: ' Ada Lovelace ' },
    })
    expect(status).toBe(201)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toMatchObject({ expiresIn: 900, tokenType: 'Bearer' })
    expect(body.user).toMatchObject({
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      roles: ['consumer'],
      status: 'active',
    })
    expect(body.refreshToken).toMatch(/^veil_rt_[\w-]{43}$/)
    const me = await bundle.first.me<SignedIn['user']>(body.accessToken)
    expect(me.status).toBe(200)
    expect(me.body).toEqual(body.user)
    const [row] = await bundle.database.db.select().from(users)
    expect(row?.passwordHash).toMatch(/^\$argon2id\$v=19\$/)
    const audit = await bundle.database.db
      .select()
      .from(auditLog)
      .where(eq(auditLog.subjectId, body.user.id))
    expect(audit).toMatchObject([
      {
        action: 'user.registered',
        actorId: body.user.id,
        requestId: expect.stringMatching(/\w{8}/),
      },
    ])
    expect(audit[0]?.requestId).toBe(headers.get('x-request-id'))
  })

  test('gives the roles that are asked for', async () => {
    const { user } = await bundle.first.register('both@example.com', {
      roles: ['provider', 'consumer'],
    })
    expect(user.roles).toEqual(['provider', 'consumer'])
  })

  test.each([
    ['admin by itself', { roles: ['admin'] }, '/roles/0'],
    ['admin among others', { roles: ['consumer', 'admin'] }, '/roles/1'],
    ['no role', { roles: [] }, '/roles'],
    ['a role twice', { roles: ['consumer', 'consumer'] }, '/roles'],
    ['a short password', { password: 'short-secre' }, '/password'],
    ['a huge password', { password: 'x'.repeat(257) }, '/password'],
    ['no email', { email: 'nobody' }, '/email'],
    ['an email with a control character', { email: 'a\u0000b@example.com' }, '/email'],
    ['a name of spaces', { name: '   ' }, '/name'],
    ['a name that Postgres cannot hold', { name: 'A\u0000da' }, '/name'],
    ['an unknown property', { isAdmin: true }, '/isAdmin'],
    ['a status of its own', { status: 'active' }, '/status'],
  ])('refuses %s', async (_what, change, pointer) => {
    const given = { email: 'bad@example.com', password: PASSWORD, name: 'Bad', ...change }
    const { status, body } = await register(given)
    expect(status).toBe(422)
    expect(body.code).toBe('invalid_input')
    expect(body.errors?.map((error) => error.pointer)).toContain(pointer)
    expect(JSON.stringify(body)).not.toContain(given.password)
  })

  test('refuses an email that is taken, in whatever case', async () => {
    await bundle.first.register('twice@example.com')
    const { status, body } = await register({
      email: 'TWICE@example.com',
      password: PASSWORD,
      name: 'Again',
    })
    expect(status).toBe(409)
    expect(body.code).toBe('email_taken')
  })

  test('of many that come at once with one email, exactly one gets it', async () => {
    const body = { email: 'race@example.com', password: PASSWORD, name: 'Racer' }
    const answers = await Promise.all(
      [...Array(8).keys()].map((index) =>
        (index % 2 ? bundle.first : bundle.second).call('POST', '/auth/register', { body }),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)])
  })
})

describe('login', () => {
  test('opens another session', async () => {
    const { user } = await bundle.first.register('login@example.com')
    const { status, body } = await bundle.first.login(' LOGIN@example.com')
    expect(status).toBe(200)
    expect(body.user).toEqual(user)
    expect((await bundle.first.me(body.accessToken)).status).toBe(200)
  })

  test('answers the same to an unknown email and to a wrong password', async () => {
    await bundle.first.register('known@example.com')
    const known = await bundle.first.login<Problem>('known@example.com', 'wrong password')
    const unknown = await bundle.first.login<Problem>('unknown@example.com', 'wrong password')
    expect(known.status).toBe(401)
    expect(known.body.code).toBe('login_refused')
    const withoutRequest = (body: Problem) => ({ ...body, requestId: '' })
    expect(withoutRequest(unknown.body)).toEqual(withoutRequest(known.body))
    expect([...unknown.headers.keys()].sort()).toEqual([...known.headers.keys()].sort())
  })

  test('an account without a password takes none', async () => {
    const { user } = await bundle.first.register('external@example.com')
    await bundle.database.db
      .update(users)
      .set({ passwordHash: null })
      .where(eq(users.email, user.email))
    expect((await bundle.first.login(user.email)).status).toBe(401)
  })

  test('a suspended account is told so, but only with the right password', async () => {
    const { user } = await bundle.first.register('suspended@example.com')
    await bundle.database.db
      .update(users)
      .set({ status: 'suspended' })
      .where(eq(users.email, user.email))
    const right = await bundle.first.login<Problem>(user.email)
    expect([right.status, right.body.code]).toEqual([403, 'account_not_active'])
    const wrong = await bundle.first.login<Problem>(user.email, 'wrong password')
    expect([wrong.status, wrong.body.code]).toEqual([401, 'login_refused'])
  })

  test('refuses unknown properties and a missing password', async () => {
    const login = (body: unknown) => bundle.first.call('POST', '/auth/login', { body })
    const extra = await login({ email: 'a@example.com', password: 'p', remember: true })
    expect(extra.body.errors?.map((error) => error.pointer)).toEqual(['/remember'])
    const missing = await login({ email: 'a@example.com' })
    expect(missing.body.errors?.map((error) => error.pointer)).toEqual(['/password'])
  })
})

describe('lockout', () => {
  const fail = async (email: string, times: number) => {
    for (let turn = 0; turn < times; turn++)
      expect((await bundle.first.login(email, 'wrong password')).status).toBe(401)
  }

  test('ten failures in a row lock the account for fifteen minutes', async () => {
    await bundle.first.register('locked@example.com')
    await fail('locked@example.com', 10)
    const locked = await bundle.second.login<Problem>('locked@example.com')
    expect([locked.status, locked.body.code]).toEqual([429, 'login_locked'])
    const wait = Number(locked.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(14 * 60)
    expect(wait).toBeLessThanOrEqual(15 * 60)
    bundle.clock.advance(14 * MINUTE_MS)
    expect((await bundle.first.login('locked@example.com')).status).toBe(429)
    bundle.clock.advance(MINUTE_MS)
    await fail('locked@example.com', 9)
    expect((await bundle.first.login('locked@example.com')).status).toBe(200)
  })

  test('a success starts the count anew', async () => {
    await bundle.first.register('forgetful@example.com')
    await fail('forgetful@example.com', 9)
    expect((await bundle.first.login('forgetful@example.com')).status).toBe(200)
    await fail('forgetful@example.com', 9)
    expect((await bundle.first.login('forgetful@example.com')).status).toBe(200)
  })

  test('of forty guesses at once ten are answered', async () => {
    await bundle.first.register('guessed@example.com')
    const answers = await Promise.all(
      [...Array(40).keys()].map((index) =>
        (index % 2 ? bundle.first : bundle.second).login('guessed@example.com', `guess ${index}`),
      ),
    )
    const count = (status: number) => answers.filter((answer) => answer.status === status).length
    expect([count(401), count(429)]).toEqual([10, 30])
    const actions = await bundle.database.db
      .select()
      .from(auditLog)
      .where(eq(auditLog.action, 'user.locked'))
    expect(actions.length).toBeGreaterThan(0)
  })

  test('many right logins at once all succeed', async () => {
    await bundle.first.register('busy@example.com')
    const answers = await Promise.all(
      [...Array(20)].map(() => bundle.first.login('busy@example.com')),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  })
})

describe('the first admin', () => {
  test('of two replicas one makes it, and nothing is overwritten later', async () => {
    const own = await createBundle()
    try {
      const input = { email: ' Root@Example.com', password: null }
      const made = await Promise.all([
        own.first.identity.ensureFirstAdmin(input),
        own.second.identity.ensureFirstAdmin(input),
      ])
      expect(made.filter(({ created }) => created)).toHaveLength(1)
      const password = made.find(({ created }) => created)?.password ?? ''
      expect(password).toMatch(/^[\w-]{24}$/)
      expect(made.find(({ created }) => !created)).toEqual({ created: false })
      const again = { email: 'root@example.com', password: 'another password' }
      expect(await own.first.identity.ensureFirstAdmin(again)).toEqual({ created: false })
      const signedIn = await own.first.login('root@example.com', password)
      expect(signedIn.status).toBe(200)
      expect(signedIn.body.user.roles).toEqual(['admin'])
      const probe = await own.first.call('GET', '/probe/admin', {
        token: signedIn.body.accessToken,
      })
      expect(probe.status).toBe(200)
    } finally {
      await own.database.drop()
    }
  })

  test('takes the password given, and does not repeat it', async () => {
    const own = await createBundle()
    try {
      const input = { email: 'root@example.com', password: 'the given password' }
      expect(await own.first.identity.ensureFirstAdmin(input)).toEqual({ created: true })
      expect((await own.first.login(input.email, input.password)).status).toBe(200)
    } finally {
      await own.database.drop()
    }
  })

  test('does not turn an account that exists into an admin', async () => {
    const own = await createBundle()
    try {
      await own.first.register('root@example.com')
      await expect(
        own.first.identity.ensureFirstAdmin({ email: 'root@example.com', password: null }),
      ).rejects.toMatchObject({ code: 'first_admin_email_taken' })
    } finally {
      await own.database.drop()
    }
  })
})

test('no password, token or email stands in the logs', async () => {
  const own = await createBundle()
  try {
    const { accessToken, refreshToken } = await own.first.register('private@example.com')
    await own.first.login('private@example.com', 'a wrong secret')
    await own.first.me(accessToken)
    const next = await own.first.refresh(refreshToken)
    await own.first.refresh(refreshToken)
    await own.database.sql`drop table refresh_tokens`
    const failed = await own.first.login('private@example.com')
    expect(failed.status).toBe(500)
    const logs = own.first.logLines.join('\n')
    expect(logs).toContain('http.failed')
    const secrets = [PASSWORD, 'a wrong secret', accessToken, refreshToken, 'private@example.com']
    for (const secret of [...secrets, next.body.accessToken, next.body.refreshToken])
      expect(logs).not.toContain(secret)
    expect(JSON.stringify(failed.body)).not.toContain('refresh_tokens')
  } finally {
    await own.database.drop()
  }
})
