import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let provider: TestUser
let upstream: TestServer
let count = 0

beforeAll(async () => {
  veil = await TestVeil.start()
  provider = await veil.user('provider')
  upstream = startEchoUpstream('up')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

const publish = () =>
  veil.publishedApi(
    provider,
    { slug: `keyed-${++count}`, upstreamUrl: `http://127.0.0.1:${upstream.port}` },
    { template: 'pro' },
  )

/** A consumer with a subscription of their own. */
async function subscriber() {
  const consumer = await veil.user('consumer')
  const api = await publish()
  const subscription = await veil.subscribe(consumer, api)
  const send = (method: string, path: string, body?: unknown) =>
    veil.request(method, `/api-keys${path}`, { token: consumer.token, body })
  const callWith = async (key: string) => (await veil.call(`/${api.slug}`, key)).status
  return { ...{ consumer, api, subscription, send, callWith }, subscriptionId: subscription.id }
}

test('a key is shown once, and found nowhere afterwards: no answer, log, table or access log', async () => {
  const { consumer, send, api, subscription, subscriptionId } = await subscriber()
  const made = await veil.request('POST', '/api-keys', {
    token: consumer.token,
    headers: { 'idempotency-key': 'once' },
    body: { subscriptionId, name: 'second' },
  })
  expect(made.status).toBe(201)
  const keys: string[] = [subscription.key, made.body.key]
  for (const key of keys) {
    expect(key).toMatch(/^veil_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/)
    expect((await veil.call(`/${api.slug}/x?y=1`, key)).status).toBe(200)
    const bearer = { headers: { authorization: `Bearer ${key}` } }
    expect((await veil.call(`/${api.slug}`, null, bearer)).status).toBe(200)
  }
  await eventually(
    () => veil.expectOk('GET', `/subscriptions/${subscriptionId}/usage`, { token: consumer.token }),
    ({ calls }) => calls === 4,
  )
  const secrets = keys.map((key) => key.slice('veil_'.length + 13, -6))
  const leaks = (text: string) => secrets.filter((secret) => text.includes(secret))

  const { body: listed } = await send('GET', '')
  expect(listed.items).toHaveLength(2)
  expect(leaks(JSON.stringify(listed))).toEqual([])
  for (const { id } of listed.items) {
    const { body } = await send('GET', `/${id}`)
    expect(body).not.toHaveProperty('key')
    expect(leaks(JSON.stringify(body))).toEqual([])
  }
  expect(leaks(veil.logs.join(''))).toEqual([])
  expect(leaks((await veil.caddy.logLines()).join(''))).toEqual([])
  const { sql } = veil.container
  const tables = await sql`select table_schema || '.' || table_name as name
    from information_schema.tables
    where table_schema in ('public', 'drizzle') and table_type = 'BASE TABLE'`
  expect(tables.length).toBeGreaterThan(30)
  // bytea is written in hex.
  const forms = secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('hex')])
  const patterns = forms.map((form) => `%${form}%`)
  let searched = 0
  for (const { name } of tables) {
    const rows =
      await sql`select entry::text like any(${patterns}) as leaks from ${sql(name)} entry`
    searched += rows.length
    expect({ name, leaks: rows.filter((row) => row.leaks).length }).toEqual({ name, leaks: 0 })
  }
  expect(searched).toBeGreaterThan(20)
})

describe('making a key', () => {
  test('gives one that works when the answer is there', async () => {
    const { send, callWith, subscriptionId, api } = await subscriber()
    const { status, body } = await send('POST', '', { subscriptionId, name: 'production' })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      ...{ subscriptionId, apiId: api.id, name: 'production', status: 'active' },
      ...{ lastFour: body.key.slice(-4), expiresAt: null, revokedAt: null },
    })
    expect(body.id).toBe(`key_${body.key.slice(5, 17)}`)
    expect(await callWith(body.key)).toBe(200)
    const { key: _key, ...rest } = body
    expect((await send('GET', `/${body.id}`)).body).toEqual(rest)
  })

  test.each<[string, unknown]>([
    ['empty', ''],
    ['blank', '  '],
    ['long', 'x'.repeat(101)],
    ['with a line break', 'a\nb'],
    ['with U+0000', 'a\u0000b'],
    ['a number', 1],
    ['missing', undefined],
  ])('with a name that is %s is refused', async (_name, name) => {
    const { send, subscriptionId } = await subscriber()
    const answer = await send('POST', '', { subscriptionId, name })
    expect(answer).toMatchObject({
      status: 422,
      body: { errors: [{ in: 'body', pointer: '/name' }] },
    })
  })

  test.each(['', 'sub_1', `sub_${'0'.repeat(32)}`, "'", 'key_9ZkP2mQx7LbT'])(
    'for the subscription %j is refused',
    async (subscriptionId) => {
      const { send } = await subscriber()
      expect((await send('POST', '', { subscriptionId, name: 'x' })).status).toBe(404)
    },
  )

  test('twenty at once gives twenty that work, in fewer pushes', async () => {
    const { send, callWith, subscriptionId } = await subscriber()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => send('POST', '', { subscriptionId, name: `key ${n}` })),
    )
    const keys = answers.map(({ body }) => body.key)
    expect(new Set(keys).size).toBe(20)
    expect(await Promise.all(keys.map(callWith))).toEqual(Array(20).fill(200))
    const pushes = await veil.container.sql`select distinct revision from gateway_commits
      where subject_id = any(${answers.map(({ body }) => body.id)})`
    expect(pushes.length).toBeLessThan(20)
  })
})

describe('listing keys', () => {
  test('pages through all, newest first, of one subscription or of all', async () => {
    const { send, subscriptionId, subscription, consumer } = await subscriber()
    const ids = [subscription.keyId]
    for (const name of ['a', 'b', 'c', 'd'])
      ids.push((await send('POST', '', { subscriptionId, name })).body.id)
    await veil.container.sql`update api_keys set created_at = '2026-01-01T00:00:00Z'
      where subscription_id = ${subscriptionId.slice(4)}::uuid`
    const other = await veil.subscribe(consumer, await publish())
    const walk = async (filter: string) => {
      const seen: string[] = []
      let cursor: string | null = null
      do {
        const { body } = await send('GET', `?limit=2${filter}${cursor ? `&cursor=${cursor}` : ''}`)
        seen.push(...body.items.map(({ id }: { id: string }) => id))
        cursor = body.nextCursor
      } while (cursor)
      return seen
    }
    const byId = ids.toSorted().reverse()
    expect((await walk(`&subscriptionId=${subscriptionId}`)).toSorted().reverse()).toEqual(byId)
    const all = await walk('')
    expect(all[0]).toBe(other.keyId)
    expect(all.slice(1).toSorted().reverse()).toEqual(byId)
  })
})

describe('revoking', () => {
  test('a key that was just used is refused within a second, for good, and the others are not', async () => {
    const { send, callWith, subscription, subscriptionId } = await subscriber()
    const { body: second } = await send('POST', '', { subscriptionId, name: 'second' })
    expect(await callWith(subscription.key)).toBe(200)
    const revoked = await send('POST', `/${subscription.keyId}/revoke`)
    expect(revoked).toMatchObject({
      status: 200,
      body: { status: 'revoked', revokedAt: expect.any(String) },
    })
    await eventually(
      () => callWith(subscription.key),
      (status) => status === 401,
      1_000,
    )
    expect(await callWith(second.key)).toBe(200)
    expect((await send('POST', `/${subscription.keyId}/revoke`)).body).toEqual(revoked.body)
    expect(await callWith(subscription.key)).toBe(401)
  })

  test('ten times at once is once, in the audit too', async () => {
    const { send, callWith, subscription } = await subscriber()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => send('POST', `/${subscription.keyId}/revoke`)),
    )
    for (const { status } of answers) expect([200, 409]).toContain(status)
    await eventually(
      () => callWith(subscription.key),
      (status) => status === 401,
      1_000,
    )
    const audits = await veil.container.sql`select 1 from audit_log
      where subject_id = ${subscription.keyId} and action = 'api-key.revoked'`
    expect(audits).toHaveLength(1)
  })

  test('a key whose push failed works too, whatever it becomes meanwhile', async () => {
    const { send, callWith, subscription } = await subscriber()
    for (const status of ['failed_sync', 'rotating', 'expired', 'pending']) {
      await veil.container.sql`update api_keys set status = ${status}
        where id = ${subscription.keyId.slice(4)}`
      const answer = await send('POST', `/${subscription.keyId}/revoke`)
      expect(answer).toMatchObject({ status: 200, body: { status: 'revoked' } })
    }
    await eventually(
      () => callWith(subscription.key),
      (status) => status === 401,
      1_000,
    )
  })

  test.each(['key_', 'key_000000000000', 'x', '%00'])(
    '%s, which is none, is refused',
    async (id) => {
      const { send } = await subscriber()
      expect((await send('POST', `/${id}/revoke`)).status).toBe(id === '%00' ? 422 : 404)
    },
  )
})

test('a key opens its own API and no other, and a wrong one opens none', async () => {
  const [mine, theirs] = [await subscriber(), await subscriber()]
  expect((await veil.call(`/${theirs.api.slug}`, mine.subscription.key)).status).toBe(401)
  const key = mine.subscription.key
  const swap = (at: number) => key.slice(0, at) + (key[at] === 'A' ? 'B' : 'A') + key.slice(at + 1)
  for (const wrong of [
    '',
    'x',
    key.slice(0, -1),
    `${key}A`,
    swap(7),
    swap(20),
    swap(key.length - 1),
  ])
    expect(await mine.callWith(wrong)).toBe(401)
  expect((await veil.call(`/${mine.api.slug}`, null)).status).toBe(401)
  expect(await mine.callWith(key)).toBe(200)
})
