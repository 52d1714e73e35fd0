import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { type TestUser, TestVeil } from '#test/veil'

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

const publish = (plan: Record<string, unknown> = { template: 'free' }) =>
  veil.publishedApi(
    provider,
    { slug: `sold-${++count}`, upstreamUrl: `http://127.0.0.1:${upstream.port}` },
    plan,
  )
const subscribe = (user: TestUser, body: unknown, headers: Record<string, string> = {}) =>
  veil.request('POST', '/subscriptions', { token: user.token, body, headers })

describe('subscribing', () => {
  test.each(['free', 'pro'])(
    'to a %s plan opens a period and gives a key that works at once',
    async (template) => {
      const consumer = await veil.user('consumer')
      const api = await publish({ template })
      const before = veil.clock.now().getTime()
      const { status, body } = await subscribe(consumer, { api: api.slug, planId: api.planId })
      expect(status).toBe(201)
      expect(body.subscription).toMatchObject({
        ...{ api: { id: api.id, slug: api.slug }, status: 'active' },
        plan: { id: api.planId, slug: template, version: 1 },
      })
      const { start, end } = body.subscription.currentPeriod
      expect(Date.parse(start)).toBeGreaterThanOrEqual(before)
      expect((Date.parse(end) - Date.parse(start)) / 86_400_000).toBeGreaterThanOrEqual(28)
      expect((await veil.call(`/${api.slug}`, body.apiKey.key)).status).toBe(200)
      const read = { token: consumer.token }
      const { id } = body.subscription
      expect(await veil.expectOk('GET', `/subscriptions/${id}`, read)).toEqual(body.subscription)
      expect((await veil.expectOk('GET', '/subscriptions', read)).items).toEqual([
        body.subscription,
      ])
    },
  )

  test('by way of the marketplace is the same', async () => {
    const consumer = await veil.user('consumer')
    const { slug, planId } = await publish()
    const { status, body } = await veil.request('POST', `/marketplace/apis/${slug}/subscribe`, {
      token: consumer.token,
      body: { planId },
    })
    expect(status).toBe(201)
    expect((await veil.call(`/${slug}`, body.apiKey.key)).status).toBe(200)
    expect(await subscribe(consumer, { api: slug, planId })).toMatchObject({ status: 409 })
  })

  test('to what there is not is refused', async () => {
    const consumer = await veil.user('consumer')
    const [api, other] = [await publish(), await publish()]
    const { slug, planId } = api
    const nobody = `plan_${'0'.repeat(32)}`
    for (const wrong of [nobody, other.planId, 'plan_1', '', "'", slug])
      expect(await subscribe(consumer, { api: slug, planId: wrong })).toMatchObject({
        status: 404,
        body: { code: 'plan_unknown' },
      })
    for (const wrong of ['nowhere', '', api.id, slug.toUpperCase()])
      expect(await subscribe(consumer, { api: wrong, planId })).toMatchObject({
        status: 404,
        body: { code: 'api_unknown' },
      })
    expect((await subscribe(consumer, { api: 'a\u0000', planId })).status).toBe(422)
    expect((await subscribe(consumer, { api: slug })).status).toBe(422)
    expect((await subscribe(consumer, { api: slug, planId, coupon: 'x' })).status).toBe(422)
    await veil.expectOk('POST', `/provider/apis/${api.id}/unpublish`, { token: provider.token })
    expect((await subscribe(consumer, { api: slug, planId })).status).toBe(404)
    expect((await veil.expectOk('GET', '/subscriptions', { token: consumer.token })).items).toEqual(
      [],
    )
  })

  test('keeps the version of the plan; a revised one is sold to those who come later', async () => {
    const [early, late] = [await veil.user('consumer'), await veil.user('consumer')]
    const plan = { slug: 'p', name: 'P', type: 'flat', flatFee: 500 }
    const api = await publish(plan)
    const { id } = await veil.subscribe(early, api)
    const revised = await veil.expectOk('PUT', `/provider/apis/${api.id}/plans/${api.planId}`, {
      token: provider.token,
      body: { ...plan, flatFee: 900 },
    })
    const costOf = async (user: TestUser, of: string) =>
      (await veil.expectOk('GET', `/subscriptions/${of}/usage`, { token: user.token })).cost.total
    const old = await veil.expectOk('GET', `/subscriptions/${id}`, { token: early.token })
    expect(old.plan).toMatchObject({ id: api.planId, version: 1 })
    expect(await costOf(early, id)).toBe(500)
    expect((await subscribe(late, { api: api.slug, planId: api.planId })).status).toBe(404)
    const now = await veil.subscribe(late, { slug: api.slug, planId: revised.id })
    expect(await costOf(late, now.id)).toBe(900)
  })

  test('twenty times at once makes one subscription with one key', async () => {
    const consumer = await veil.user('consumer')
    const { slug, planId } = await publish()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => subscribe(consumer, { api: slug, planId })),
    )
    const codes = answers.map(({ status, body }) => body.code ?? status).sort()
    expect(codes).toEqual([201, ...Array(19).fill('already_subscribed')])
    const of = { token: consumer.token }
    expect((await veil.expectOk('GET', '/subscriptions', of)).items).toHaveLength(1)
    expect((await veil.expectOk('GET', '/api-keys', of)).items).toHaveLength(1)
    const made = answers.find(({ status }) => status === 201)
    expect((await veil.call(`/${slug}`, made?.body.apiKey.key)).status).toBe(200)
  })

  test('twenty people at once are twenty subscriptions', async () => {
    const { slug, planId } = await publish()
    const people = await Promise.all(Array.from({ length: 20 }, () => veil.user('consumer')))
    const answers = await Promise.all(people.map((one) => subscribe(one, { api: slug, planId })))
    for (const { status, body } of answers) {
      expect(status).toBe(201)
      expect((await veil.call(`/${slug}`, body.apiKey.key)).status).toBe(200)
    }
  })

  test('again under the same Idempotency-Key shows the same key', async () => {
    const consumer = await veil.user('consumer')
    const { slug, planId } = await publish()
    const headers = { 'idempotency-key': randomUUID() }
    const first = await subscribe(consumer, { api: slug, planId }, headers)
    const second = await subscribe(consumer, { api: slug, planId }, headers)
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(second.body).toEqual(first.body)
  })
})

test("somebody else's subscription does not exist", async () => {
  const [owner, stranger] = [await veil.user('consumer'), await veil.user('consumer')]
  const { id, keyId } = await veil.subscribe(owner, await publish())
  const paths = [
    ...[`/subscriptions/${id}`, `/subscriptions/${id}/usage`, `/api-keys/${keyId}`],
    ...[
      `/api-keys?subscriptionId=${id}`,
      `/quota/${keyId}`,
      `/usage/stats?subscriptionId=${id}&interval=day`,
    ],
  ]
  for (const path of paths) {
    expect((await veil.request('GET', path, { token: owner.token })).status).toBe(200)
    expect({ path, ...(await veil.request('GET', path, { token: stranger.token })) }).toMatchObject(
      { path, status: 404 },
    )
  }
  const { token } = stranger
  expect((await veil.request('POST', `/api-keys/${keyId}/revoke`, { token })).status).toBe(404)
  const body = { subscriptionId: id, name: 'mine now' }
  expect((await veil.request('POST', '/api-keys', { token, body })).status).toBe(404)
  for (const path of ['/subscriptions', '/api-keys', '/quota', '/usage/summary'])
    expect((await veil.expectOk('GET', path, { token })).items).toEqual([])
})
