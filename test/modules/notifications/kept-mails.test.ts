import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildCron } from '#app/background'
import { PASSWORD, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let admin: TestUser

beforeAll(async () => {
  veil = await TestVeil.start()
  admin = await veil.admin()
})
afterAll(() => veil.stop())

const ask = (path: string) => veil.request('GET', `/admin/mails${path}`, { token: admin.token })

test('without a mail server mails are kept, and admins read them', async () => {
  const [provider, consumer] = await Promise.all([veil.user('provider'), veil.user('consumer')])
  const upstreamUrl = 'http://127.0.0.1:9'
  const api = await veil.publishedApi(provider, { slug: 'kept', upstreamUrl })
  await veil.subscribe(consumer, api)
  const { body } = await veil.eventuallyRetried(
    () => ask('?state=kept'),
    (answer) => answer.body.items.length === 2,
  )
  const [mail] = body.items.filter(({ to }: { to: string }) => to === consumer.email)
  expect(mail).toMatchObject({ state: 'kept', sentAt: null, lastError: null })
  expect(await ask(`/${mail.id}`)).toMatchObject({ status: 200, body: mail })
  expect((await ask('?state=sent')).body.items).toEqual([])
  expect(await ask('?state=lost')).toMatchObject({ status: 422 })
  for (const id of ['mail_x', `mail_${'0'.repeat(32)}`, 'x'])
    expect(await ask(`/${id}`)).toMatchObject({ status: 404, body: { code: 'mail_unknown' } })
})

test('a suspended account is told nothing', async () => {
  const [provider, consumer] = await Promise.all([veil.user('provider'), veil.user('consumer')])
  const upstreamUrl = 'http://127.0.0.1:9'
  const api = await veil.publishedApi(provider, { slug: 'quiet', upstreamUrl })
  await veil.database.sql`update users set status = 'suspended' where email = ${provider.email}`
  await veil.subscribe(consumer, api)
  const { body } = await veil.eventuallyRetried(
    () => ask('?limit=100'),
    ({ body: { items } }) => items.some(({ to }: { to: string }) => to === consumer.email),
  )
  expect(body.items.filter(({ to }: { to: string }) => to === provider.email)).toEqual([])
})

test('what was undone is told to nobody; a key that stands without the gateway is told of', async () => {
  const [provider, consumer] = await Promise.all([veil.user('provider'), veil.user('consumer')])
  const upstreamUrl = 'http://127.0.0.1:9'
  const api = await veil.publishedApi(provider, { slug: 'undone', upstreamUrl })
  const other = await veil.publishedApi(provider, { slug: 'undone-too', upstreamUrl })
  const { id, keyId } = await veil.subscribe(consumer, api)
  const endpoint = await veil.expectOk('POST', '/webhooks/endpoints', {
    token: provider.token,
    body: { url: 'http://127.0.0.1:9/hook' },
  })
  await veil.caddy.stop()
  const { token } = consumer
  const body = { api: other.slug, planId: other.planId }
  expect(await veil.request('POST', '/subscriptions', { token, body })).toMatchObject({
    status: 503,
  })
  const unpublish = `/provider/apis/${api.id}/unpublish`
  expect(await veil.request('POST', unpublish, { token: provider.token })).toMatchObject({
    status: 503,
  })
  await veil.expectOk('POST', '/api-keys', { token, body: { subscriptionId: id, name: 'late' } })
  await veil.expectOk('POST', `/api-keys/${keyId}/revoke`, { token })
  const told = async () => {
    const { items } = (await ask('?limit=100')).body
    return items
      .filter(({ to }: { to: string }) => [consumer.email, provider.email].includes(to))
      .map(({ subject }: { subject: string }) => subject)
      .sort()
  }
  const expected = [
    'A key for undone was revoked',
    'A new key for undone',
    'You are subscribed to undone',
    'undone has a new subscriber',
  ]
  await veil.eventuallyRetried(told, (subjects) => subjects.length === expected.length)
  expect(await told()).toEqual(expected)
  const path = `/webhooks/endpoints/${endpoint.id}`
  const { items } = await veil.expectOk('GET', `${path}/deliveries`, { token: provider.token })
  expect(items.map(({ type }: { type: string }) => type)).not.toContain('api.removed')
  await veil.expectOk('DELETE', path, { token: provider.token })
})

test('mails are forgotten after 90 days, deliveries after 30', async () => {
  const user = await veil.user('consumer')
  const { id } = await veil.expectOk('POST', '/webhooks/endpoints', {
    token: user.token,
    body: { url: 'http://127.0.0.1:9/hook' },
  })
  await veil.expectOk('POST', `/webhooks/endpoints/${id}/test`, { token: user.token })
  const { length: mails } = (await ask('?limit=100')).body.items
  const cleanUp = async (days: number) => {
    veil.clock.advance(days * 86_400_000)
    return buildCron(veil.container).runNow('notifications-cleanup')
  }
  expect(await cleanUp(29)).toEqual({ mails: 0, deliveries: 0 })
  expect(await cleanUp(2)).toEqual({ mails: 0, deliveries: 1 })
  expect(await cleanUp(58)).toEqual({ mails: 0, deliveries: 0 })
  expect(await cleanUp(2)).toEqual({ mails, deliveries: 0 })
  const login = { email: admin.email, password: PASSWORD }
  const { accessToken: token } = await veil.expectOk('POST', '/auth/login', { body: login })
  expect(await veil.expectOk('GET', '/admin/mails', { token })).toEqual({
    ...{ items: [], nextCursor: null },
  })
})
