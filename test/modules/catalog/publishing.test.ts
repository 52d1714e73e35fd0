import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'
import { moveStatus } from '../../../src/modules/catalog/repository'

let veil: TestVeil
let provider: TestUser
let consumer: TestUser
let upstream: TestServer
let second: TestServer
let count = 0

beforeAll(async () => {
  veil = await TestVeil.start()
  provider = await veil.user('provider')
  consumer = await veil.user('consumer')
  upstream = startEchoUpstream('first')
  second = startEchoUpstream('second')
})
afterAll(async () => {
  await veil.stop()
  await Promise.all([upstream.stop(), second.stop()])
})

const as = (user: TestUser) => ({ token: user.token })
const at = (server: TestServer) => `http://127.0.0.1:${server.port}`

async function draft(withPlan = true) {
  const body = { name: 'x', slug: `api-${++count}`, upstreamUrl: at(upstream) }
  const api = await veil.expectOk('POST', '/provider/apis', { ...as(provider), body })
  const path = `/provider/apis/${api.id}`
  if (withPlan)
    await veil.expectOk('POST', `${path}/plans`, { ...as(provider), body: { template: 'free' } })
  return { ...api, path }
}
const post = (path: string) => veil.request('POST', path, as(provider))
const read = (path: string) => veil.expectOk('GET', path, as(provider))
/** 404 when the gateway does not know the API, 401 when it does and wants a key. */
const atGateway = async (slug: string) => (await veil.call(`/${slug}`, null)).status

describe('publishing', () => {
  test('without a plan is refused, and nothing reaches the gateway', async () => {
    const { path, slug } = await draft(false)
    expect(await post(`${path}/publish`)).toMatchObject({ status: 409, body: { code: 'no_plans' } })
    expect(await read(path)).toMatchObject({ status: 'draft', publishedAt: null })
    expect(await atGateway(slug)).toBe(404)
  })

  test('is true when it answers, and so is unpublishing; both may be repeated', async () => {
    const { path, slug } = await draft()
    expect(await atGateway(slug)).toBe(404)
    const first = await post(`${path}/publish`)
    expect(first).toMatchObject({ status: 200, body: { status: 'published' } })
    expect(await atGateway(slug)).toBe(401)
    expect((await post(`${path}/publish`)).body).toEqual(first.body)

    expect((await post(`${path}/unpublish`)).body).toMatchObject({
      status: 'draft',
      publishedAt: null,
    })
    expect(await atGateway(slug)).toBe(404)
    expect(await post(`${path}/unpublish`)).toMatchObject({
      status: 200,
      body: { status: 'draft' },
    })
  })

  test.each(['publish', 'unpublish'])('%s clicked ten times at once happens once', async (verb) => {
    const { id, path, slug } = await draft()
    if (verb === 'unpublish') await veil.expectOk('POST', `${path}/publish`, as(provider))
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(`${path}/${verb}`)))
    for (const { status } of answers) expect([200, 409]).toContain(status)
    expect(answers.some(({ status }) => status === 200)).toBe(true)
    expect((await read(path)).status).toBe(verb === 'publish' ? 'published' : 'draft')
    expect(await atGateway(slug)).toBe(verb === 'publish' ? 401 : 404)
    const audits = await veil.container.sql`
      select 1 from audit_log where subject_id = ${id} and action = ${`api.${verb}ed`}`
    expect(audits).toHaveLength(1)
    expect(
      await veil.container.sql`
      select 1 from gateway_commits where subject_id = ${id} and state <> 'committed'`,
    ).toHaveLength(0)
  })

  test('takes back no status that another click has reached meanwhile', async () => {
    const { id, path } = await draft()
    await veil.expectOk('POST', `${path}/publish`, as(provider))
    const { db } = veil.container.database
    const change = { status: 'publishing' as const, updatedAt: new Date() }
    expect(await moveStatus(db, id, 'draft', change)).toBe(false)
    expect(await read(path)).toMatchObject({ status: 'published' })
  })

  test('under one Idempotency-Key a click that came too early may be repeated', async () => {
    const { path } = await draft()
    const click = () =>
      veil.request('POST', `${path}/publish`, {
        ...as(provider),
        headers: { 'idempotency-key': `publish-${path}` },
      })
    await Promise.all([click(), click(), click()])
    expect(await eventually(click, ({ status }) => status === 200)).toMatchObject({
      body: { status: 'published' },
    })
  })
})

describe('changing a published API', () => {
  test('has taken effect at the gateway when it answers', async () => {
    const { path, slug, id } = await draft()
    await veil.expectOk('POST', `${path}/publish`, as(provider))
    const plans = await read(`${path}/plans`)
    const { key } = await veil.subscribe(consumer, { slug, planId: plans[0].id })
    const { version } = await read(path)
    const call = (init: RequestInit = {}) => veil.call(`/${slug}/x`, key, init)
    expect(await (await call()).json()).toMatchObject({ upstream: 'first', target: '/x' })
    expect((await call({ method: 'POST' })).status).toBe(405)

    const changed = await veil.expectOk('PUT', path, {
      ...as(provider),
      headers: { 'if-match': `"${version}"` },
      body: {
        ...{ upstreamUrl: `${at(second)}/v2/`, methods: ['POST'] },
        requiredHeaders: [{ name: 'X-Tenant', value: 'a.c {x}' }],
      },
    })
    expect(changed).toMatchObject({ id, status: 'published', version: version + 1 })
    expect((await call()).status).toBe(405)
    expect((await call({ method: 'POST' })).status).toBe(400)
    const wrong = { method: 'POST', headers: { 'x-tenant': 'abc {x}' } }
    expect((await call(wrong)).status).toBe(400)
    const right = await call({ method: 'POST', headers: { 'x-tenant': 'a.c {x}' } })
    expect(await right.json()).toMatchObject({ upstream: 'second', target: '/v2/x' })
  })

  test('of two at once one wins, and the gateway serves what the database says', async () => {
    const { path, slug } = await draft()
    await veil.expectOk('POST', `${path}/publish`, as(provider))
    const [plan] = await read(`${path}/plans`)
    const { key } = await veil.subscribe(consumer, { slug, planId: plan.id })
    const { version } = await read(path)
    const answers = await Promise.all(
      [`${at(upstream)}/one`, `${at(second)}/two`].map((upstreamUrl) =>
        veil.request('PUT', path, {
          ...as(provider),
          headers: { 'if-match': `"${version}"` },
          body: { upstreamUrl },
        }),
      ),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const { status } of answers) expect([200, 409, 412]).toContain(status)
    const { upstreamUrl } = await read(path)
    const echo: any = await (await veil.call(`/${slug}`, key)).json()
    expect(upstreamUrl.endsWith(echo.target)).toBe(true)
  })

  test('a draft that is being published takes the change before or after, never halfway', async () => {
    for (let round = 0; round < 5; round++) {
      const { path, slug, id } = await draft()
      const [published, changed] = await Promise.all([
        post(`${path}/publish`),
        veil.request('PUT', path, {
          ...as(provider),
          headers: { 'if-match': '"1"' },
          body: { upstreamUrl: `${at(second)}/late` },
        }),
      ])
      expect(published.status).toBe(200)
      expect([200, 409, 412]).toContain(changed.status)
      const { upstreamUrl } = await read(path)
      const served = await fetch(`${veil.caddy.adminUrl}/id/${id}`)
      const text = await served.text()
      expect(text).toContain(new URL(upstreamUrl).host)
      expect(text.includes('/late')).toBe(upstreamUrl.endsWith('/late'))
      expect(await atGateway(slug)).toBe(401)
    }
  })
})

describe('deleting', () => {
  const remove = (path: string) => veil.request('DELETE', path, as(provider))
  const gone = { status: 404, body: { code: 'api_unknown' } }

  test('a draft goes, with its plans, and its slug is free again', async () => {
    const { path, slug } = await draft()
    expect((await remove(path)).status).toBe(204)
    expect(await veil.request('GET', path, as(provider))).toMatchObject(gone)
    expect(await remove(path)).toMatchObject(gone)
    const body = { name: 'x', slug, upstreamUrl: at(upstream) }
    expect((await veil.request('POST', '/provider/apis', { ...as(provider), body })).status).toBe(
      201,
    )
  })

  test('a published one leaves the gateway first', async () => {
    const { path, slug } = await draft()
    await veil.expectOk('POST', `${path}/publish`, as(provider))
    expect((await remove(path)).status).toBe(204)
    expect(await atGateway(slug)).toBe(404)
    expect(await veil.request('GET', path, as(provider))).toMatchObject(gone)
  })

  test('one that was ever subscribed to stays, published or not', async () => {
    const { path, slug } = await draft()
    await veil.expectOk('POST', `${path}/publish`, as(provider))
    const [plan] = await read(`${path}/plans`)
    await veil.subscribe(consumer, { slug, planId: plan.id })
    const refused = { status: 409, body: { code: 'api_has_subscribers' } }
    expect(await remove(path)).toMatchObject(refused)
    expect(await read(path)).toMatchObject({ status: 'published' })
    expect(await atGateway(slug)).toBe(401)
    await veil.expectOk('POST', `${path}/unpublish`, as(provider))
    expect(await remove(path)).toMatchObject(refused)
  })

  test('and subscribing at the same time: either, never both', async () => {
    for (let round = 0; round < 5; round++) {
      const { path, slug } = await draft()
      await veil.expectOk('POST', `${path}/publish`, as(provider))
      const [plan] = await read(`${path}/plans`)
      const [removed, subscribed] = await Promise.all([
        remove(path),
        veil.request('POST', '/subscriptions', {
          ...as(consumer),
          body: { api: slug, planId: plan.id },
        }),
      ])
      expect([removed.status, subscribed.status]).toSatisfy(
        ([gone, made]) =>
          (gone === 204 && [404, 409].includes(made)) || (gone === 409 && made === 201),
      )
      expect(await atGateway(slug)).toBe(removed.status === 204 ? 404 : 401)
    }
  })
})
