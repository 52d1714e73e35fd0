import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestUser, TestVeil } from '#test/veil'
import { WebhookReceiver } from '#test/webhook-receiver'

let veil: TestVeil
let user: TestUser

beforeAll(async () => {
  veil = await TestVeil.start({ ALLOW_PRIVATE_UPSTREAMS: 'false' })
  user = await veil.user('consumer')
})
afterAll(() => veil.stop())

const create = (url: string) =>
  veil.request('POST', '/webhooks/endpoints', { token: user.token, body: { url } })

test.each(['https://localhost/', 'https://10.0.0.1/', 'https://[fd00::1]/', 'https://db/'])(
  'with private addresses forbidden, %s is refused',
  async (url) => {
    const refused = { status: 422, body: { code: 'webhook_url_refused' } }
    expect(await create(url)).toMatchObject(refused)
  },
)

test('then messages go out encrypted only', async () => {
  expect(await create('http://example.com/')).toMatchObject({ status: 422 })
  expect(await create('https://example.com/')).toMatchObject({ status: 201 })
})

test('an endpoint that was allowed once is not called any more', async () => {
  const receiver = await WebhookReceiver.start()
  const { body: endpoint } = await create('https://example.com/')
  await veil.database.sql`update webhook_endpoints set url = ${receiver.url}
    where id = ${endpoint.id.slice('whe_'.length)}`
  const path = `/webhooks/endpoints/${endpoint.id}`
  await veil.expectOk('POST', `${path}/test`, { token: user.token })
  const { items } = await veil.eventuallyRetried(
    () => veil.expectOk('GET', `${path}/deliveries`, { token: user.token }),
    (page) => page.items[0]?.attempts > 0,
  )
  expect(items[0].lastError).toContain('not reachable from the internet')
  expect(receiver.received).toEqual([])
  await receiver.stop()
})
