import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { refreshTokens, sessions } from '#db/schema/identity'
import { auditLog } from '#db/schema/infra'
import { createBundle, type Problem, type SignedIn } from './identity-app'

let bundle: Awaited<ReturnType<typeof createBundle>>
beforeAll(async () => {
  bundle = await createBundle()
})
afterAll(() => bundle.database.drop())

const DAY_MS = 86_400_000

interface SessionView {
  id: string
  current: boolean
  userAgent: string | null
  ipAddress: string | null
  expiresAt: string
}
interface Sessions {
  items: SessionView[]
  nextCursor: string | null
}

const list = async (token: string, query = '') => {
  const answer = await bundle.first.call<Sessions>('GET', `/auth/sessions${query}`, { token })
  expect(answer.status).toBe(200)
  return answer.body
}
const codeOf = ({ status, body }: { status: number; body: unknown }) => [
  status,
  (body as Problem).code,
]
const onlySession = async ({ user }: SignedIn) => {
  const userId = user.id as `usr_${string}`
  const rows = await bundle.database.db.select().from(sessions).where(eq(sessions.userId, userId))
  expect(rows).toHaveLength(1)
  return rows[0]!
}

describe('refresh', () => {
  test('gives new tokens of the same session, again and again', async () => {
    const signedIn = await bundle.first.register('refresh@example.com')
    let token = signedIn.refreshToken
    for (let turn = 0; turn < 3; turn++) {
      const { status, body, headers } = await bundle.first.refresh(token)
      expect(status).toBe(200)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(body.refreshToken).not.toBe(token)
      expect((await bundle.first.me(body.accessToken)).status).toBe(200)
      token = body.refreshToken
    }
    expect((await list(signedIn.accessToken)).items).toHaveLength(1)
  })

  test('keeps no token, only hashes', async () => {
    const { refreshToken } = await bundle.first.register('hashed@example.com')
    const rows = await bundle.database.db.select().from(refreshTokens)
    const bytes = rows.map(({ hash }) => Buffer.from(hash).toString('hex'))
    const sha256 = new Bun.CryptoHasher('sha256').update(refreshToken).digest('hex')
    expect(bytes).toContain(sha256)
  })

  test('a token that comes a second time ends the whole session', async () => {
    const stolen = await bundle.first.register('stolen@example.com')
    const other = await bundle.first.login('stolen@example.com')
    const next = await bundle.first.refresh(stolen.refreshToken)
    expect((await bundle.first.me(next.body.accessToken)).status).toBe(200)
    const reused = await bundle.first.refresh(stolen.refreshToken)
    expect(codeOf(reused)).toEqual([401, 'refresh_token_reused'])
    expect(codeOf(await bundle.first.me(next.body.accessToken))).toEqual([401, 'token_invalid'])
    const successor = await bundle.first.refresh(next.body.refreshToken)
    expect(codeOf(successor)).toEqual([401, 'refresh_token_invalid'])
    expect((await bundle.first.me(other.body.accessToken)).status).toBe(200)
    const log = await bundle.database.db
      .select()
      .from(auditLog)
      .where(eq(auditLog.action, 'session.reuse-detected'))
    expect(log).toHaveLength(1)
    const id = log[0]!.subjectId as `ses_${string}`
    const [session] = await bundle.database.db.select().from(sessions).where(eq(sessions.id, id))
    expect(session?.revokeReason).toBe('token_reuse')
  })

  test('of many uses at once exactly one wins', async () => {
    const signedIn = await bundle.first.register('parallel@example.com')
    const answers = await Promise.all(
      [...Array(10).keys()].map((index) =>
        (index % 2 ? bundle.first : bundle.second).refresh(signedIn.refreshToken),
      ),
    )
    const lost = answers.filter(({ status }) => status !== 200)
    expect(lost.map(codeOf)).toEqual(Array(9).fill([401, 'refresh_token_reused']))
    expect((await onlySession(signedIn)).revokeReason).toBe('token_reuse')
  })

  test('an unknown token is refused', async () => {
    const answer = await bundle.first.refresh(`veil_rt_${'A'.repeat(43)}`)
    expect(codeOf(answer)).toEqual([401, 'refresh_token_invalid'])
    const malformed = await bundle.first.call('POST', '/auth/refresh', { body: { token: 'x' } })
    expect(malformed.status).toBe(422)
    const pointers = malformed.body.errors?.map((error) => error.pointer)
    expect(pointers).toEqual(expect.arrayContaining(['/refreshToken', '/token']))
  })

  test('a session ends thirty days after its last use', async () => {
    const own = await createBundle()
    try {
      const signedIn = await own.first.register('idle@example.com')
      own.clock.advance(29 * DAY_MS)
      const kept = await own.first.refresh(signedIn.refreshToken)
      expect(kept.status).toBe(200)
      own.clock.advance(30 * DAY_MS)
      const late = await own.first.refresh(kept.body.refreshToken)
      expect(codeOf(late)).toEqual([401, 'refresh_token_invalid'])
    } finally {
      await own.database.drop()
    }
  })

  test('no session outlives ninety days', async () => {
    const own = await createBundle()
    try {
      let { refreshToken } = await own.first.register('faithful@example.com')
      let accessToken = ''
      for (let days = 0; days < 80; days += 20) {
        own.clock.advance(20 * DAY_MS)
        const { status, body } = await own.first.refresh(refreshToken)
        expect(status).toBe(200)
        refreshToken = body.refreshToken
      }
      own.clock.advance(10 * DAY_MS - 60_000)
      const last = await own.first.refresh(refreshToken)
      expect(last.status).toBe(200)
      accessToken = last.body.accessToken
      expect((await own.first.me(accessToken)).status).toBe(200)
      own.clock.advance(60_000)
      expect(codeOf(await own.first.me(accessToken))).toEqual([401, 'token_invalid'])
      expect((await own.first.refresh(last.body.refreshToken)).status).toBe(401)
    } finally {
      await own.database.drop()
    }
  })
})

describe('sessions', () => {
  test('are listed with their device, the present one marked', async () => {
    await bundle.first.register('list@example.com')
    const agent = { 'user-agent': 'curl/8' }
    const { body } = await bundle.first.login('list@example.com', undefined, agent)
    const { items, nextCursor } = await list(body.accessToken)
    expect(nextCursor).toBeNull()
    expect(items).toMatchObject([
      { current: true, userAgent: 'curl/8', ipAddress: '127.0.0.1' },
      { current: false },
    ])
  })

  test('are listed in pages, each once', async () => {
    const { accessToken } = await bundle.first.register('pages@example.com')
    for (let turn = 0; turn < 4; turn++) await bundle.first.login('pages@example.com')
    const seen: string[] = []
    let cursor: string | null = ''
    do {
      const page: Sessions = await list(accessToken, `?limit=2${cursor && `&cursor=${cursor}`}`)
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(seen).toHaveLength(5)
    expect(new Set(seen).size).toBe(5)
    expect(seen).toEqual(seen.toSorted().reverse())
    for (const query of ['limit=0', 'limit=101', 'limit=2.5', 'limit=many', 'limits=2']) {
      const path = `/auth/sessions?${query}`
      const { status, body } = await bundle.first.call('GET', path, { token: accessToken })
      expect([query, status]).toEqual([query, 422])
      expect(body.errors).toMatchObject([{ in: 'query', pointer: `/${query.split('=')[0]}` }])
    }
    const bad = await bundle.first.call('GET', '/auth/sessions?cursor=junk', { token: accessToken })
    expect(codeOf(bad)).toEqual([400, 'cursor_malformed'])
  })

  test('logout ends this session at once and no other', async () => {
    const stays = await bundle.first.register('logout@example.com')
    const goes = (await bundle.first.login('logout@example.com')).body
    expect((await bundle.first.me(goes.accessToken)).status).toBe(200)
    const answer = await bundle.first.call('POST', '/auth/logout', { token: goes.accessToken })
    expect(answer.status).toBe(204)
    expect(answer.body).toBeNull()
    expect(codeOf(await bundle.first.me(goes.accessToken))).toEqual([401, 'token_invalid'])
    expect(codeOf(await bundle.first.refresh(goes.refreshToken))[0]).toBe(401)
    expect((await bundle.first.me(stays.accessToken)).status).toBe(200)
    expect((await list(stays.accessToken)).items).toHaveLength(1)
  })

  test('one can be ended from another, twice if need be', async () => {
    const mine = await bundle.first.register('end@example.com')
    const lost = (await bundle.first.login('end@example.com')).body
    expect((await bundle.first.me(lost.accessToken)).status).toBe(200)
    const { items } = await list(mine.accessToken)
    const id = items.find(({ current }) => !current)?.id
    const remove = () =>
      bundle.first.call('DELETE', `/auth/sessions/${id}`, { token: mine.accessToken })
    expect((await remove()).status).toBe(204)
    expect((await bundle.first.me(lost.accessToken)).status).toBe(401)
    expect((await remove()).status).toBe(204)
    expect((await bundle.first.me(mine.accessToken)).status).toBe(200)
  })

  test("somebody else's is not found, and lives on", async () => {
    const victim = await bundle.first.register('victim@example.com')
    const thief = await bundle.first.register('thief@example.com')
    const { id } = (await list(victim.accessToken)).items[0]!
    for (const target of [id, `ses_${'0'.repeat(32)}`, 'ses_junk', 'usr_1']) {
      const token = thief.accessToken
      const answer = await bundle.first.call('DELETE', `/auth/sessions/${target}`, { token })
      expect(codeOf(answer)).toEqual([404, 'session_not_found'])
    }
    expect((await bundle.first.me(victim.accessToken)).status).toBe(200)
    expect((await list(thief.accessToken)).items).toHaveLength(1)
  })

  test('one ended in another replica is refused within five seconds', async () => {
    const { accessToken } = await bundle.first.register('remote@example.com')
    expect((await bundle.second.me(accessToken)).status).toBe(200)
    await bundle.first.call('POST', '/auth/logout', { token: accessToken })
    bundle.clock.advance(5_000)
    expect((await bundle.second.me(accessToken)).status).toBe(401)
  })
})
