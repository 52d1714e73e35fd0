import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let provider: TestUser
let count = 0

beforeAll(async () => {
  veil = await TestVeil.start()
  provider = await veil.user('provider')
})
afterAll(() => veil.stop())

const publish = (plan: Record<string, unknown>) =>
  veil.publishedApi(provider, { slug: `quoted-${++count}`, upstreamUrl: 'https://a.example' }, plan)

test('all keys of a subscription draw on one quota, and each subscription on its own', async () => {
  const { token, ...consumer } = await veil.user('consumer')
  const user = { ...consumer, token }
  const one = await veil.subscribe(user, await publish({ template: 'free' }))
  const two = await veil.subscribe(user, await publish({ template: 'pro' }))
  const body = { subscriptionId: one.id, name: 'second' }
  const second = await veil.expectOk('POST', '/api-keys', { token, body })
  const events = [one.keyId, one.keyId, second.id, two.keyId].map((keyId) => ({
    ...{ id: randomUUID(), gatewayId: 'gw', sequence: ++count, keyId, method: 'GET', path: '/' },
    ...{
      status: 200,
      durationMs: 1,
      requestBytes: 1,
      responseBytes: 1,
      at: veil.clock.now().toISOString(),
    },
  }))
  await veil.expectOk('POST', '/usage/events', { token: 't'.repeat(32), body: { events } })

  const list = () => veil.expectOk('GET', '/quota', { token })
  const { items } = await eventually(
    list,
    (page) => page.items[1]?.used === 3 && page.items[0]?.used === 1,
  )
  expect(items).toMatchObject([
    { subscriptionId: two.id, limit: 100_000, hard: false, used: 1, remaining: 99_999 },
    { subscriptionId: one.id, limit: 1000, hard: true, used: 3, remaining: 997 },
  ])
  expect(items[1].rateLimits).toEqual([{ per: 'subscription', limit: 10, window: 'second' }])
  for (const keyId of [one.keyId, second.id])
    expect(await veil.expectOk('GET', `/quota/${keyId}`, { token })).toEqual(items[1])
  const pages: string[] = []
  let cursor: string | null = null
  do {
    const query: string = cursor ? `&cursor=${cursor}` : ''
    const page: any = await veil.expectOk('GET', `/quota?limit=1${query}`, { token })
    pages.push(...page.items.map((item: { subscriptionId: string }) => item.subscriptionId))
    cursor = page.nextCursor
  } while (cursor)
  expect(pages).toEqual([two.id, one.id])
})

test('without a quota nothing remains to be said', async () => {
  const user = await veil.user('consumer')
  const { keyId } = await veil.subscribe(user, await publish({ template: 'pro', quota: null }))
  const quota = await veil.expectOk('GET', `/quota/${keyId}`, { token: user.token })
  expect(quota).toMatchObject({ limit: null, remaining: null, used: 0 })
})

test.each(['key_000000000000', 'key_', 'x', 'sub_1', "'"])('%s is no key', async (id) => {
  const { token } = await veil.user('consumer')
  const answer = await veil.request('GET', `/quota/${id}`, { token })
  expect(answer).toMatchObject({ status: 404, body: { code: 'key_unknown' } })
})
