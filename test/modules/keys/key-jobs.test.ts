import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { buildCron } from '#app/background'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

const HOUR = 3_600_000
const DAY = 24 * HOUR
let veil: TestVeil
let consumer: TestUser
let admin: TestUser
let upstream: TestServer
let subscriptionId: string

beforeAll(async () => {
  veil = await TestVeil.start()
  const provider = await veil.user('provider')
  consumer = await veil.user('consumer')
  admin = await veil.admin()
  upstream = startEchoUpstream('up')
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`
  const api = await veil.publishedApi(provider, { slug: 'aging', upstreamUrl })
  subscriptionId = (await veil.subscribe(consumer, api)).id
})
// Tokens are good for minutes, keys for months.
afterEach(() => veil.clock.set(new Date()))
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

const send = (method: string, path: string, body?: unknown) =>
  veil.expectOk(method, `/api-keys${path}`, { token: consumer.token, body })
const keyWith = (limits: object): Promise<{ id: string; key: string }> =>
  send('POST', '', { subscriptionId, name: 'aging', ...limits })
const run = (job: string) => buildCron(veil.container).runNow(job)
const inMs = (ms: number) => new Date(veil.clock.now().getTime() + ms).toISOString()
const allowList = async () => JSON.stringify((await veil.container.gateways[0]?.readServer()) ?? '')

test('what has expired is written down and leaves the gateway; a rotated key with its grace', async () => {
  const brief = await keyWith({ expiresAt: inMs(2 * HOUR) })
  const rotated = await keyWith({})
  await send('POST', `/${rotated.id}/rotate`, { graceDays: 1 })
  const lasting = await keyWith({})
  expect(await run('expired-key-cleanup')).toEqual({ expired: 0, idle: 0 })
  expect(await allowList()).toContain(brief.id.slice(4))
  const before = veil.clock.now()
  veil.clock.advance(3 * HOUR)
  expect((await veil.call('/aging', brief.key)).status).toBe(401)
  expect(await run('expired-key-cleanup')).toEqual({ expired: 1, idle: 0 })
  expect(await allowList()).not.toContain(brief.id.slice(4))
  // The gateway lists it no more, and the edge still says why.
  const refused = await veil.call('/aging', brief.key)
  expect(await refused.json()).toMatchObject({ code: 'key_expired' })
  veil.clock.advance(DAY)
  expect(await run('expired-key-cleanup')).toEqual({ expired: 1, idle: 0 })
  veil.clock.set(before)
  const rows = await veil.container.sql`select id, status from api_keys
    where id = any(${[brief, rotated, lasting].map(({ id }) => id.slice(4))})`
  const statusOf = Object.fromEntries(rows.map(({ id, status }) => [id, status]))
  expect(statusOf).toEqual({
    [brief.id.slice(4)]: 'expired',
    [rotated.id.slice(4)]: 'expired',
    [lasting.id.slice(4)]: 'active',
  })
  const audits = await veil.container.sql`select subject_id, details from audit_log
    where action = 'api-key.expired'`
  expect(audits).toHaveLength(2)
})

test('grace ends early only when the successor is used and the old key is not', async () => {
  const [silent, switched, busy] = await Promise.all([keyWith({}), keyWith({}), keyWith({})])
  const successors: string[] = []
  for (const { id } of [silent, switched, busy])
    successors.push((await send('POST', `/${id}/rotate`, {})).id)
  const hour = (ms: number) => new Date(Math.floor((veil.clock.now().getTime() - ms) / HOUR) * HOUR)
  const called = (keyId: string, at: Date) => veil.container.sql`
    insert into api_usage_analytics select s.id, ${at}, ${keyId.slice(4)}, s.api_id, 1, 0, 1, 1, 0, 0
    from api_subscriptions s where s.id = ${subscriptionId.slice(4)}::uuid`
  const rotatedAt = new Date(veil.clock.now().getTime() - 25 * HOUR)
  await veil.container.sql`update api_keys set rotated_at = ${rotatedAt} where status = 'rotating'`
  await called(switched.id, hour(30 * HOUR))
  await called(successors[1] ?? '', hour(2 * HOUR))
  await called(busy.id, hour(20 * HOUR))
  await called(successors[2] ?? '', hour(2 * HOUR))
  expect(await run('expired-key-cleanup')).toEqual({ expired: 0, idle: 1 })
  expect(await run('expired-key-cleanup')).toEqual({ expired: 0, idle: 0 })
  const statuses = await Promise.all(
    [silent, switched, busy].map(async ({ id }) => (await send('GET', `/${id}`)).status),
  )
  expect(statuses).toEqual(['rotating', 'expired', 'rotating'])
})

test('owners are told 14, 7 and 1 days before and when it is overdue, once each', async () => {
  const { id } = await keyWith({ rotateAfterDays: 90 })
  await keyWith({})
  const before = veil.clock.now()
  const told: [number, number][] = []
  for (const day of [60, 75, 76, 77, 83, 84, 89, 89.5, 90, 91, 120]) {
    veil.clock.set(new Date(before.getTime() + day * DAY))
    const counts = await Promise.allSettled([run('key-rotation'), run('key-rotation')])
    const reminded = counts.map((each) => (each.status === 'fulfilled' ? each.value.reminded : 0))
    told.push([day, reminded.reduce<number>((sum, each) => sum + (each ?? 0), 0)])
  }
  expect(told.filter(([, reminded]) => reminded > 0)).toEqual([
    ...[
      [76, 1],
      [83, 1],
      [89, 1],
      [90, 1],
    ],
  ])
  veil.clock.set(before)
  expect((await send('GET', `/${id}`)).status).toBe('active')
  const { items } = await eventually(
    () => veil.expectOk('GET', '/admin/mails?limit=100', { token: admin.token }),
    (page) =>
      page.items.filter(({ subject }: { subject: string }) => subject.includes('rotated')).length >=
      4,
  )
  const subjects = items
    .map(({ subject }: { subject: string }) => subject)
    .filter((subject: string) => subject.includes('rotated'))
  // They are written a moment later, when the clock may be back: their order says nothing.
  expect(subjects.sort()).toEqual([
    'A key for aging should be rotated within 1 day',
    'A key for aging should be rotated within 14 days',
    'A key for aging should be rotated within 7 days',
    'A key for aging should have been rotated',
  ])
})

test('after a downtime only the newest reminder is given, and a new plan begins anew', async () => {
  const { id } = await keyWith({ rotateAfterDays: 30 })
  const before = veil.clock.now()
  veil.clock.advance(28 * DAY)
  expect(await run('key-rotation')).toEqual({ reminded: 1 })
  const change = { name: 'x', expiresAt: null, operations: [], addresses: [] }
  await veil.container.sql`update api_keys set rotate_after_days = null where id <> ${id.slice(4)}`
  veil.clock.set(before)
  await send('PUT', `/${id}`, { ...change, rotateAfterDays: 5 })
  expect(await run('key-rotation')).toEqual({ reminded: 1 })
  await send('PUT', `/${id}`, { ...change, rotateAfterDays: null })
  veil.clock.advance(60 * DAY)
  expect(await run('key-rotation')).toEqual({ reminded: 0 })
})
