import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayCommits } from '#db/schema/gateway'
import type { Id } from '#lib/id'
import { newId } from '#lib/id'
import { disagreements } from '#test/gateway-agreement'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let provider: TestUser
let admin: TestUser

beforeAll(async () => {
  veil = await TestVeil.start()
  provider = await veil.user('provider')
  admin = await veil.admin()
})
afterAll(() => veil.stop())

const published = (slug: string) =>
  veil.publishedApi(provider, { slug, upstreamUrl: 'http://127.0.0.1:9' })
const as = ({ token }: TestUser, method: string, path: string, body?: unknown) =>
  veil.request(method, path, { token, body, headers: { 'if-match': '"1"' } })
/** 404 when the gateway does not know the API, 401 when it does and wants a key. */
const atGateway = async (slug: string) => (await veil.call(`/${slug}`, null)).status
const agree = async () =>
  expect(await disagreements(veil.database.sql, veil.caddy.adminUrl)).toEqual([])

test('a takedown is in force when it answers, and holds until it is lifted', async () => {
  const { id, slug } = await published('harmful')
  expect(await atGateway(slug)).toBe(401)
  const takedown = () => as(admin, 'POST', `/admin/apis/${id}/takedown`, { reason: 'harmful' })
  expect(await takedown()).toMatchObject({ status: 200, body: { status: 'taken_down' } })
  expect(await atGateway(slug)).toBe(404)
  expect((await takedown()).status).toBe(200)

  const publish = () => as(provider, 'POST', `/provider/apis/${id}/publish`)
  expect(await publish()).toMatchObject({ status: 409, body: { code: 'wrong_api_status' } })
  expect((await as(provider, 'DELETE', `/provider/apis/${id}`)).status).toBe(409)
  expect((await as(provider, 'PUT', `/provider/apis/${id}`, { name: 'Mended' })).status).toBe(200)
  expect((await as(provider, 'POST', `/admin/apis/${id}/lift`)).status).toBe(403)

  const lift = () => as(admin, 'POST', `/admin/apis/${id}/lift`)
  expect(await lift()).toMatchObject({ status: 200, body: { status: 'draft', name: 'Mended' } })
  expect((await lift()).status).toBe(409)
  expect((await publish()).status).toBe(200)
  expect(await atGateway(slug)).toBe(401)
  await agree()
  const audited = await veil.database.sql`
    select action, details from audit_log where actor_id = ${admin.id} order by id`
  expect(audited).toEqual([
    { action: 'api.taken-down', details: { reason: 'harmful' } },
    { action: 'api.takedown-lifted', details: {} },
  ])
})

test('a draft is taken down, too; an unknown API is 404', async () => {
  const body = { name: 'x', slug: 'plain', upstreamUrl: 'http://127.0.0.1:9' }
  const { id } = await veil.expectOk('POST', '/provider/apis', { token: provider.token, body })
  const reason = { reason: 'spam' }
  expect((await as(admin, 'POST', `/admin/apis/${id}/takedown`, reason)).body.status).toBe(
    'taken_down',
  )
  expect((await as(admin, 'POST', '/admin/apis/x/takedown', reason)).status).toBe(404)
})

describe('the slug of a published API', () => {
  const rename = (id: string, slug: string) => as(provider, 'PUT', `/provider/apis/${id}`, { slug })

  test('moves at the gateway before the change answers; the old one is free', async () => {
    const { id } = await published('old-name')
    expect(await rename(id, 'new-name')).toMatchObject({ status: 200, body: { slug: 'new-name' } })
    expect(await atGateway('old-name')).toBe(404)
    expect(await atGateway('new-name')).toBe(401)
    await published('old-name')
    expect(await atGateway('old-name')).toBe(401)
    await agree()
  })

  test('cannot be taken by two, nor be a reserved one', async () => {
    const { id } = await published('one')
    await published('two')
    expect(await rename(id, 'two')).toMatchObject({ status: 409, body: { code: 'slug_taken' } })
    expect(await rename(id, 'health')).toMatchObject({ body: { code: 'slug_reserved' } })
    expect((await rename(id, 'one')).status).toBe(200)
    await agree()
  })

  test('is kept while a change that gives it up may still be put back', async () => {
    const { id } = await published('kept-now')
    await veil.container.database.db.insert(gatewayCommits).values({
      ...{ id: newId('gwc', veil.clock), kind: 'api.updated', subjectId: id, state: 'preparing' },
      ...{ apiId: id as Id<'api'>, undo: { set: { slug: 'kept' }, parts: {} } },
      deadlineAt: new Date(veil.clock.now().getTime() + 3_600_000),
    })
    const body = { name: 'x', slug: 'kept', upstreamUrl: 'http://127.0.0.1:9' }
    const taken = await as(provider, 'POST', '/provider/apis', body)
    expect(taken).toMatchObject({ status: 409, body: { code: 'slug_taken' } })
  })
})
