import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestUser, TestVeil } from '#test/veil'

const URL_OF_NOBODY = 'http://127.0.0.1:9/hook'

let veil: TestVeil
let user: TestUser

beforeAll(async () => {
  veil = await TestVeil.start()
})
afterAll(() => veil.stop())
beforeEach(async () => {
  user = await veil.user('consumer', 'provider')
})

const send = (method: string, path: string, body?: unknown, as = user) =>
  veil.request(method, `/webhooks${path}`, { token: as.token, body })
const ok = (method: string, path: string, body?: unknown, as = user) =>
  veil.expectOk(method, `/webhooks${path}`, { token: as.token, body })
const addEndpoint = (body: object = {}, as = user) =>
  ok('POST', '/endpoints', { url: URL_OF_NOBODY, ...body }, as)
const endpointOf = (id: string) => ok('GET', `/endpoints/${id}`)

test('endpoints are listed, read, changed and deleted by their owner', async () => {
  const first = await addEndpoint({ description: 'shop', events: ['key.created'] })
  const second = await addEndpoint()
  const { items } = await ok('GET', '/endpoints')
  expect(items.map(({ id }: { id: string }) => id)).toEqual([second.id, first.id])
  expect(items[1]).toEqual(await endpointOf(first.id))
  expect(items[1]).not.toHaveProperty('secret')
  const events = ['key.created', 'key.revoked']
  const changed = await ok('PATCH', `/endpoints/${first.id}`, { events })
  expect(changed).toMatchObject({ description: 'shop', url: URL_OF_NOBODY, events })
  expect(await ok('PATCH', `/endpoints/${first.id}`, { events: null })).toMatchObject({
    events: null,
  })
  await ok('POST', `/endpoints/${first.id}/test`)
  expect(await send('DELETE', `/endpoints/${first.id}`)).toMatchObject({ status: 204 })
  expect(await send('GET', `/endpoints/${first.id}`)).toMatchObject({ status: 404 })
  expect((await ok('GET', '/endpoints')).items).toHaveLength(1)
  const audited = await veil.database.sql`select action from audit_log
    where actor_id = ${user.id} and action like 'webhook-endpoint.%' order by id`
  expect(audited.map(({ action }) => action.split('.')[1])).toEqual([
    ...['created', 'created', 'updated', 'updated', 'deleted'],
  ])
})

test("endpoints of others do not exist, nor do others' deliveries", async () => {
  const { id } = await addEndpoint()
  const { id: deliveryId } = await ok('POST', `/endpoints/${id}/test`)
  const stranger = await veil.user('consumer')
  for (const known of [id, 'whe_x', `whe_${'0'.repeat(32)}`])
    for (const [method, path, body] of [
      ['GET', ''],
      ['PATCH', '', { status: 'disabled' }],
      ['DELETE', ''],
      ['POST', '/test'],
      ['POST', '/rotate-secret'],
      ['GET', '/deliveries'],
    ] as const)
      expect(await send(method, `/endpoints/${known}${path}`, body, stranger)).toMatchObject({
        status: 404,
        body: { code: 'webhook_endpoint_unknown' },
      })
  for (const known of [deliveryId, 'whd_x', `whd_${'0'.repeat(32)}`])
    expect(await send('POST', `/deliveries/${known}/retry`, undefined, stranger)).toMatchObject({
      status: 404,
      body: { code: 'webhook_delivery_unknown' },
    })
  expect(await endpointOf(id)).toMatchObject({ status: 'active' })
})

test('endpoints are ten at most, also when they are added at once', async () => {
  const answers = await Promise.all(
    Array.from({ length: 13 }, () => send('POST', '/endpoints', { url: URL_OF_NOBODY })),
  )
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(10)
  for (const { status, body } of answers.filter((answer) => answer.status !== 201))
    expect([status, body.code]).toEqual([409, 'webhook_endpoints_full'])
})

test.each([
  ['not-a-url', 'webhook_url_refused'],
  ['ftp://example.com/', 'webhook_url_refused'],
  ['https://user:pass@example.com/', 'webhook_url_refused'],
  ['https://example.com/#x', 'webhook_url_refused'],
  ['http://169.254.169.254/latest', 'webhook_url_refused'],
  ['http://0.0.0.0/', 'webhook_url_refused'],
  ['http://{x}.example.com/', 'webhook_url_refused'],
])('%s is no address for an endpoint', async (url, code) => {
  const refused = { status: 422, body: { code, errors: [{ in: 'body', pointer: '/url' }] } }
  expect(await send('POST', '/endpoints', { url })).toMatchObject(refused)
  const { id } = await addEndpoint()
  expect(await send('PATCH', `/endpoints/${id}`, { url })).toMatchObject(refused)
})

test('endpoints cannot be our own ports', async () => {
  const { port } = veil.container.config
  for (const host of ['127.0.0.1', 'localhost', '[::1]'])
    expect(await send('POST', '/endpoints', { url: `http://${host}:${port}/` })).toMatchObject({
      status: 422,
      body: { code: 'webhook_url_refused' },
    })
})

test.each<[string, object]>([
  ['no url', {}],
  ['an unknown event', { url: 'https://example.com', events: ['key.lost'] }],
  ['no events', { url: 'https://example.com', events: [] }],
  ['an event twice', { url: 'https://example.com', events: ['key.created', 'key.created'] }],
  ['a secret of their own', { url: 'https://example.com', secret: 'whsec_x' }],
])('endpoints with %s are refused', async (_what, body) => {
  expect(await send('POST', '/endpoints', body)).toMatchObject({ status: 422 })
})

test('endpoints are not changed by an empty change', async () => {
  const { id } = await addEndpoint()
  expect(await send('PATCH', `/endpoints/${id}`, {})).toMatchObject({ status: 422 })
})
