import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestUser, TestVeil } from '#test/veil'

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
