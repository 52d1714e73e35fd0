import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { syncGateway } from '#app/background'
import { buildContainer } from '#app/container'
import { apis } from '#db/schema/catalog'
import { gatewayCommits } from '#db/schema/gateway'
import { apiKeys } from '#db/schema/keys'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import type { Actor } from '#lib/access'
import { newId } from '#lib/id'
import { type FaultProxy, startFaultProxy } from '#test/fault-proxy'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let proxy: FaultProxy
let upstream: TestServer
let provider: TestUser

beforeAll(async () => {
  veil = await TestVeil.start({}, async ({ adminUrl }) => {
    proxy = await startFaultProxy(adminUrl)
    return proxy.url
  })
  upstream = startEchoUpstream('upstream')
  provider = await veil.user('provider')
})
afterAll(async () => {
  await veil.stop()
  await proxy.stop()
  await upstream.stop()
})

const api = (slug: string) => ({ slug, upstreamUrl: `http://127.0.0.1:${upstream.port}` })

async function draft(slug: string): Promise<{ id: string; slug: string; planId: string }> {
  const { token } = provider
  const body = { name: slug, ...api(slug) }
  const { id } = await veil.expectOk('POST', '/provider/apis', { token, body })
  const plan = await veil.expectOk('POST', `/provider/apis/${id}/plans`, {
    token,
    body: { template: 'free' },
  })
  return { id, slug, planId: plan.id }
}

const publish = (id: string, headers: Record<string, string> = {}) =>
  veil.request('POST', `/provider/apis/${id}/publish`, { token: provider.token, headers })

const statusAtGateway = async (slug: string) => {
  const response = await veil.call(`/${slug}/`, null)
  const { code } = (await response.json()) as { code: string }
  return [response.status, code]
}

describe('publishing', () => {
  test('is reachable when the request returns, and gone when unpublishing returns', async () => {
    const { id, slug } = await draft('reachable')
    expect(await statusAtGateway(slug)).toEqual([404, 'unknown_api'])
    expect((await publish(id)).body.status).toBe('published')
    expect(await statusAtGateway(slug)).toEqual([401, 'key_missing'])
    const unpublished = await veil.request('POST', `/provider/apis/${id}/unpublish`, {
      token: provider.token,
    })
    expect(unpublished.body.status).toBe('draft')
    expect(await statusAtGateway(slug)).toEqual([404, 'unknown_api'])
  })

  test('T7: an answer that is lost after the write was applied is success, by reading back', async () => {
    const { id, slug } = await draft('lost-answer')
    proxy.inject('apply-then-reset')
    expect((await publish(id)).status).toBe(200)
    expect(await statusAtGateway(slug)).toEqual([401, 'key_missing'])
  })

  test('T7: a request that is lost before it arrives is sent again', async () => {
    const { id, slug } = await draft('lost-request')
    proxy.inject('reset-before', 2)
    expect((await publish(id)).status).toBe(200)
    expect(await statusAtGateway(slug)).toEqual([401, 'key_missing'])
  })

  test('leaves nothing behind when the gateway is away; the same Idempotency-Key works afterwards', async () => {
    const { id, slug } = await draft('away')
    const headers = { 'idempotency-key': 'publish-away' }
    proxy.inject('reset-before', 1_000)
    const refused = await publish(id, headers)
    expect(refused.status).toBe(503)
    expect(refused.body).toMatchObject({ code: 'gateway_unavailable', status: 503 })
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
    expect(refused.headers.get('retry-after')).toBeTruthy()
    const { body } = await veil.request('GET', `/provider/apis/${id}`, { token: provider.token })
    expect(body.status).toBe('draft')
    proxy.inject('none')
    expect(await statusAtGateway(slug)).toEqual([404, 'unknown_api'])
    expect((await publish(id, headers)).body.status).toBe('published')
    expect(await statusAtGateway(slug)).toEqual([401, 'key_missing'])
  })

  test('many at once all end up served, with few writes (group commit)', async () => {
    const drafts = await Promise.all(Array.from({ length: 20 }, (_, n) => draft(`many-${n}`)))
    const before = proxy.writes
    const answers = await Promise.all(drafts.map(({ id }) => publish(id)))
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect(proxy.writes - before).toBeLessThanOrEqual(8)
    for (const { slug } of drafts) expect(await statusAtGateway(slug)).toEqual([401, 'key_missing'])
  })

  test('an update that the gateway does not take is undone', async () => {
    const { id } = await draft('undone')
    const { body } = await publish(id)
    proxy.inject('reset-before', 1_000)
    const update = await veil.request('PUT', `/provider/apis/${id}`, {
      token: provider.token,
      headers: { 'if-match': `"${body.version}"` },
      body: { name: 'Other', methods: ['DELETE'] },
    })
    proxy.inject('none')
    expect(update.status).toBe(503)
    const after = await veil.expectOk('GET', `/provider/apis/${id}`, { token: provider.token })
    expect(after).toMatchObject({ name: 'undone', methods: ['GET'], status: 'published' })
  })
})

test('T5: two replicas that publish at the same time both succeed, and no change is lost', async () => {
  const { config, database, logger, secrets } = veil.container
  const replica = buildContainer({
    ...{ config, database, logger, secrets, clock: veil.clock },
    gatewayAdminUrls: [proxy.url],
  })
  const drafts = await Promise.all(Array.from({ length: 16 }, (_, n) => draft(`replica-${n}`)))
  const actor = { userId: provider.id, sessionId: 'ses_0', roles: ['provider'] } as Actor
  await Promise.all(
    drafts.map(({ id }, n) => (n % 2 ? replica.catalog.publish(actor, id) : publish(id))),
  )
  for (const { slug } of drafts) expect(await statusAtGateway(slug)).toEqual([401, 'key_missing'])
})

describe('a gateway that somebody else changes', () => {
  test('T9: a wiped server is restored, a foreign one is left alone, a second look writes nothing', async () => {
    const { id, slug } = await draft('wiped')
    await publish(id)
    const admin = veil.caddy.adminUrl
    const servers = `${admin}/config/apps/http/servers`
    await fetch(`${servers}/foreign`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ listen: ['127.0.0.1:0'], automatic_https: { disable: true } }),
    })
    expect((await fetch(`${servers}/veil`, { method: 'DELETE' })).status).toBe(200)
    await expect(veil.call(`/${slug}/`, null)).rejects.toThrow()
    expect(await syncGateway(veil.container)).toMatchObject({ writes: 1 })
    expect(await statusAtGateway(slug)).toEqual([401, 'key_missing'])
    expect((await fetch(`${servers}/foreign`)).status).toBe(200)
    expect(await syncGateway(veil.container)).toMatchObject({ writes: 0 })
    await fetch(`${servers}/foreign`, { method: 'DELETE' })
  })

  test('a Caddy that was killed and comes back empty is filled again', async () => {
    const { id, slug } = await draft('killed')
    await publish(id)
    await veil.caddy.restart()
    await expect(veil.call(`/${slug}/`, null)).rejects.toThrow()
    await syncGateway(veil.container)
    expect(await statusAtGateway(slug)).toEqual([401, 'key_missing'])
  })
})

describe('subscriptions and keys while the gateway is away', () => {
  test('a subscription leaves nothing behind; a key is kept and works as soon as it can', async () => {
    const consumer = await veil.user('consumer')
    const { token } = consumer
    const listed = await draft('keys')
    await publish(listed.id)
    const body = { api: listed.slug, planId: listed.planId }

    proxy.inject('reset-before', 1_000)
    const refused = await veil.request('POST', '/subscriptions', { token, body })
    expect(refused).toMatchObject({ status: 503, body: { code: 'gateway_unavailable' } })
    const { db } = veil.database
    expect(await db.select().from(apiSubscriptions)).toEqual([])
    expect(await db.select().from(apiKeys)).toEqual([])
    expect(await db.select().from(billingPeriods)).toEqual([])

    proxy.inject('none')
    const subscription = await veil.subscribe(consumer, listed)
    proxy.inject('reset-before', 1_000)
    const kept = await veil.request('POST', '/api-keys', {
      token,
      body: { subscriptionId: subscription.id, name: 'kept' },
    })
    expect(kept).toMatchObject({ status: 201, body: { status: 'failed_sync' } })
    proxy.inject('none')
    expect(await syncGateway(veil.container)).toMatchObject({ activated: 1 })
    expect((await veil.call('/keys/', kept.body.key)).status).toBe(200)

    // Revoking needs no gateway: the edge refuses, whatever the allow-list says.
    proxy.inject('reset-before', 1_000)
    const revoked = await veil.request('POST', `/api-keys/${kept.body.id}/revoke`, { token })
    proxy.inject('none')
    expect(revoked).toMatchObject({ status: 200, body: { status: 'revoked' } })
    await eventually(
      async () => (await veil.call('/keys/', kept.body.key)).status,
      (status) => status === 401,
      1_000,
    )
  })
})

describe('recovery of changes in doubt', () => {
  async function inDoubt(slug: string): Promise<string> {
    const { id } = await draft(slug)
    const { db } = veil.database
    const apiId = id as `api_${string}`
    // What a process leaves behind that is killed right after the first phase.
    await db.update(apis).set({ status: 'publishing' }).where(eq(apis.id, apiId))
    await db.insert(gatewayCommits).values({
      id: newId('gwc', veil.clock),
      kind: 'api.published',
      subjectId: id,
      state: 'preparing',
      deadlineAt: new Date(veil.clock.now().getTime() - 1),
    })
    return id
  }
  const statusOf = async (id: string) =>
    (await veil.expectOk('GET', `/provider/apis/${id}`, { token: provider.token })).status

  test('goes forward when the gateway takes it', async () => {
    const id = await inDoubt('forward')
    expect(await syncGateway(veil.container)).toMatchObject({ recovered: 1 })
    expect(await statusOf(id)).toBe('published')
    expect(await statusAtGateway('forward')).toEqual([401, 'key_missing'])
  })

  test('goes back when it does not, and the subject is free again', async () => {
    const id = await inDoubt('backward')
    proxy.inject('reset-before', 1_000)
    expect(await syncGateway(veil.container)).toMatchObject({ recovered: 1, writes: 0 })
    proxy.inject('none')
    expect(await statusOf(id)).toBe('draft')
    expect((await publish(id)).status).toBe(200)
  })

  test('a change of a subject that is already changing is refused with 409', async () => {
    const id = await inDoubt('busy')
    const { db } = veil.database
    const apiId = id as `api_${string}`
    await db.update(apis).set({ status: 'draft' }).where(eq(apis.id, apiId))
    expect(await publish(id)).toMatchObject({ status: 409, body: { code: 'change_in_progress' } })
  })
})
