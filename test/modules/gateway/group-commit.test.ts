import { eq } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { apiAllowedMethods, apis } from '#db/schema/catalog'
import type { Actor } from '#lib/access'
import { startTestCaddy } from '#test/caddy'
import { type FaultProxy, startFaultProxy } from '#test/fault-proxy'
import { startEchoUpstream } from '#test/gateway'
import { disagreements } from '#test/gateway-agreement'
import { seedApi, seedPlan, seedUser } from '#test/seed'
import { TestVeil } from '#test/veil'
import { CommitLane } from './commit-lane'

describe('200 keys of 50 APIs, made at the same time', () => {
  let veil: TestVeil
  let proxy: FaultProxy
  const upstream = startEchoUpstream('upstream')
  beforeAll(async () => {
    veil = await TestVeil.start({}, async ({ adminUrl }) => {
      proxy = await startFaultProxy(adminUrl)
      return proxy.url
    })
  })
  afterAll(async () => {
    await veil.stop()
    await Promise.all([proxy.stop(), upstream.stop()])
  })

  test('cost at most 8 writes, and each works when its answer arrives', async () => {
    const [provider, consumer] = [await veil.user('provider'), await veil.user('consumer')]
    const upstreamUrl = `http://127.0.0.1:${upstream.port}`
    const subscriptions = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const api = await veil.publishedApi(provider, { slug: `api-${n}`, upstreamUrl })
        return { slug: api.slug, id: (await veil.subscribe(consumer, api)).id }
      }),
    )
    const before = proxy.writes
    const works = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const { id: subscriptionId, slug = '' } = subscriptions[n % 50] ?? {}
        const body = { subscriptionId, name: `key ${n}` }
        const made = await veil.request('POST', '/api-keys', { token: consumer.token, body })
        return [made.body.status, (await veil.call(`/${slug}/`, made.body.key)).status]
      }),
    )
    expect(works).toEqual(Array(200).fill(['active', 200]))
    expect(proxy.writes - before).toBeLessThanOrEqual(8)
  })
})

describe('in this process', () => {
  let lane: CommitLane
  const stops: (() => Promise<unknown>)[] = []
  beforeEach(async () => {
    lane = await CommitLane.start()
  })
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await lane.stop()
  })

  async function drafts(count: number, upstreamOf: (n: number) => string) {
    const { db } = lane.database
    const userId = await seedUser(db, ['provider'])
    const actor: Actor = { userId, sessionId: 'ses_0', roles: ['provider'] }
    const ids = []
    for (let n = 0; n < count; n++) {
      const id = await seedApi(db, userId)
      await seedPlan(db, id)
      await db.insert(apiAllowedMethods).values({ apiId: id, method: 'GET' })
      const upstreamUrl = upstreamOf(n)
      await db.update(apis).set({ status: 'draft', upstreamUrl }).where(eq(apis.id, id))
      ids.push(id)
    }
    return { actor, ids }
  }

  /** In front of the gateway: it takes no configuration with this in it, in Caddy's own words. */
  function refusing(poison: string): string {
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async (request) => {
        const { pathname } = new URL(request.url)
        const body = await request.text()
        if (body.includes(poison))
          return Response.json({ error: `loading new config: ${poison}` }, { status: 500 })
        const headers = new Headers(request.headers)
        headers.set('origin', lane.caddy.adminUrl)
        headers.delete('host')
        const { method } = request
        return fetch(lane.caddy.adminUrl + pathname, {
          ...{ method, headers, keepalive: false },
          ...(body !== '' && { body }),
        })
      },
    })
    stops.push(() => server.stop(true))
    return `http://127.0.0.1:${server.port}`
  }

  const publishAll = async (
    container: ReturnType<CommitLane['container']>,
    { actor, ids }: Awaited<ReturnType<typeof drafts>>,
  ) =>
    (await Promise.allSettled(ids.map((id) => container.catalog.publish(actor, id)))).map(
      (settled) =>
        settled.status === 'fulfilled' ? settled.value.status : String(settled.reason.code),
    )

  const onlyOneRefused = Array.from({ length: 12 }, (_, n) =>
    n === 4 ? 'gateway_refused' : 'published',
  )

  test('an API that Caddy refuses is undone alone; its neighbours of the round are published', async () => {
    const listed = await drafts(12, (n) => `http://127.0.0.1:9/${n === 4 ? 'poison' : 'good'}`)
    const container = lane.container({ adminUrls: [refusing('poison')] })
    expect(await publishAll(container, listed)).toEqual(onlyOneRefused)
    expect(await disagreements(lane.database.sql, lane.caddy.adminUrl)).toEqual([])
  })

  test('an API that cannot be written down is undone alone, too', async () => {
    const listed = await drafts(12, (n) => (n === 4 ? 'gopher://nowhere' : 'http://127.0.0.1:9/'))
    expect(await publishAll(lane.container(), listed)).toEqual(onlyOneRefused)
    expect(await disagreements(lane.database.sql, lane.caddy.adminUrl)).toEqual([])
  })

  test('when Caddy refuses every change, each is undone', async () => {
    const listed = await drafts(3, () => 'http://127.0.0.1:9/')
    const container = lane.container({ adminUrls: [refusing('"veil_api":')] })
    await container.pusher.push()
    expect(await publishAll(container, listed)).toEqual(Array(3).fill('gateway_refused'))
    expect(await disagreements(lane.database.sql, lane.caddy.adminUrl)).toEqual([])
  })

  test('of two gateways one may be away: changes go on, and it is brought up to date when back', async () => {
    const other = await startTestCaddy()
    stops.push(() => other.stop())
    const adminUrls = [lane.caddy.adminUrl, other.adminUrl]
    const container = lane.container({ adminUrls, patienceMs: 200 })
    const { actor, ids } = await drafts(2, () => 'http://127.0.0.1:9')
    await container.catalog.publish(actor, String(ids[0]))
    process.kill(other.pid, 'SIGKILL')
    await container.catalog.publish(actor, String(ids[1]))
    expect((await container.pusher.push()).down).toEqual([other.adminUrl])
    await other.restart()
    expect((await container.pusher.push()).down).toEqual([])
    for (const adminUrl of adminUrls)
      expect(await disagreements(lane.database.sql, adminUrl)).toEqual([])
  })
})
