import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let user: TestUser
let admin: TestUser
let endpointId: string
let subscriptionId: string

beforeAll(async () => {
  veil = await TestVeil.start()
  user = await veil.user('consumer', 'provider')
  admin = await veil.admin()
  const body = { url: 'https://example.com/hook' }
  const { id } = await veil.expectOk('POST', '/webhooks/endpoints', { token: user.token, body })
  endpointId = id
  const api = await veil.publishedApi(user, { slug: 'paged', upstreamUrl: 'https://a.example' })
  subscriptionId = (await veil.subscribe(user, api)).id
})
afterAll(() => veil.stop())

const LISTS: [string, string][] = [
  ['/provider/apis', 'api'],
  ['/marketplace/apis', 'api'],
  ['/admin/promotions', 'prm'],
  ['/subscriptions', 'sub'],
  ['/api-keys', 'key'],
  ['/quota', 'sub'],
  ['/quota/alerts', 'sub'],
  ['/usage/rate-limits', 'sub'],
  ['/auth/sessions', 'ses'],
  ['/webhooks/endpoints', 'whe'],
  ['/webhooks/endpoints/{id}/deliveries', 'whd'],
  ['/pricing/billing-periods', 'per'],
  ['/pricing/invoices', 'inv'],
  ['/subscriptions/{id}/invoices', 'inv'],
  ['/subscriptions/{id}/history', 'hst'],
  ['/payments', 'pay'],
  ['/payments/ledger', 'txn'],
  ['/admin/ledger', 'txn'],
  ['/admin/invoices', 'inv'],
  ['/admin/dunning', 'inv'],
  ['/admin/mails', 'mail'],
  ['/admin/queue/events', 'evt'],
  ['/admin/queue/dead-letter', 'dlq'],
]
const parentOf = (path: string) => (path.startsWith('/subscriptions') ? subscriptionId : endpointId)
const get = (path: string, query: Record<string, string>) =>
  veil.request('GET', `${path.replace('{id}', parentOf(path))}?${new URLSearchParams(query)}`, {
    token: path.startsWith('/admin') ? admin.token : user.token,
  })
const cursorOf = (text: string) => Buffer.from(text).toString('base64url')
const idOf = (prefix: string) => `${prefix}_${prefix === 'key' ? '9ZkP2mQx7LbT' : '0'.repeat(32)}`

test('every list that is documented with a cursor stands in the table', async () => {
  const { paths } = await veil.expectOk('GET', '/swagger/json')
  const listed = Object.entries<any>(paths)
    .filter(([, { get }]) => get?.parameters.some((one: { name: string }) => one.name === 'cursor'))
    .map(([path]) => path)
  expect(listed.sort()).toEqual(LISTS.map(([path]) => path).sort())
})

test.each(LISTS)('%s takes a cursor of ours', async (path, prefix) => {
  for (const time of [
    '0001-01-01T00:00:00.000Z',
    '2026-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
  ]) {
    const answer = await get(path, { cursor: cursorOf(`${time}|${idOf(prefix)}`) })
    expect(answer).toMatchObject({ status: 200, body: { items: expect.any(Array) } })
  }
})

test.each(LISTS)('%s refuses any other cursor with 400', async (path, prefix) => {
  const id = idOf(prefix)
  const now = '2026-01-01T00:00:00.000Z'
  const hostile = [
    ...['', 'x', '-1', 'null', '%', '\u0000', 'x'.repeat(5_000), '../../etc/passwd'],
    ...[`${now}|`, `|${id}`, now, `${now}|${id}|`, `now|${id}`, `infinity|${id}`, `1|${id}`],
    ...[`0000-01-01T00:00:00.000Z|${id}`, `-000001-01-01T00:00:00.000Z|${id}`],
    ...[`+275760-09-13T00:00:00.000Z|${id}`, `2026-02-30T25:00:00.000Z|${id}`],
    ...[`${now}|x`, `${now}|usr_${'0'.repeat(32)}`, `${now}|${id}'`, `${now}|' or 1=1 --`],
    `${now}|${id}\u0000`,
  ]
  for (const text of hostile)
    for (const cursor of [text, cursorOf(text)]) {
      const { status, body } = await get(path, { cursor })
      const nul = cursor.includes('\u0000')
      expect({ cursor, status }).toEqual({
        cursor,
        status: nul ? expect.toBeOneOf([400, 422]) : 400,
      })
      if (!nul)
        expect(body).toMatchObject({
          code: 'cursor_malformed',
          errors: [{ in: 'query', pointer: '/cursor' }],
        })
    }
})

test.each(LISTS)('%s takes limits from 1 to 100', async (path) => {
  for (const limit of ['1', '100']) expect((await get(path, { limit })).status).toBe(200)
  for (const limit of ['0', '-1', '101', '1.5', '1e2', '', 'all', ' 1', '0x10', '9'.repeat(30)]) {
    const { status, body } = await get(path, { limit })
    expect({ limit, status }).toEqual({ limit, status: 422 })
    expect(body.errors).toMatchObject([{ in: 'query', pointer: '/limit' }])
  }
})
