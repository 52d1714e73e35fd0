import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type TestUser, TestVeil } from '#test/veil'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
let veil: TestVeil
let provider: TestUser
let consumer: TestUser
let stranger: TestUser
let api: { id: string; slug: string; planId: string }
let mine: { id: string; keyId: string }
let second: { id: string; keyId: string }
let sequence = 0

interface Call {
  keyId: string
  agoMs?: number
  path?: string
  status?: number
  durationMs?: number
}

async function report(calls: Call[]): Promise<void> {
  const now = veil.clock.now().getTime()
  const events = calls.map(({ keyId, agoMs = 0, path = '/', status = 200, durationMs = 10 }) => ({
    ...{ id: randomUUID(), gatewayId: 'gw', sequence: ++sequence, keyId, method: 'GET', path },
    ...{ status, durationMs, requestBytes: 1, responseBytes: 2 },
    at: new Date(now - agoMs).toISOString(),
  }))
  for (let from = 0; from < events.length; from += 1_000) {
    const body = { events: events.slice(from, from + 1_000) }
    await veil.expectOk('POST', '/usage/events', { token: 't'.repeat(32), body })
  }
  await eventually(
    async () => {
      const [row] = await veil.container.sql`select count(*)::int as calls from usage_records`
      return row?.calls
    },
    (counted) => counted === sequence,
    20_000,
  )
}

const get = (path: string, user = consumer) => veil.expectOk('GET', path, { token: user.token })
const refused = (path: string, user = consumer) => veil.request('GET', path, { token: user.token })
const download = (path: string, user: TestUser) =>
  fetch(`${veil.url}${path}`, { headers: { authorization: `Bearer ${user.token}` } })
const file = (query: string) => download(`/usage/export?${query}`, consumer)

beforeAll(async () => {
  veil = await TestVeil.start()
  ;[provider, consumer, stranger] = [
    await veil.user('provider'),
    await veil.user('consumer'),
    await veil.user('consumer', 'provider'),
  ]
  const upstreamUrl = 'https://a.example'
  api = await veil.publishedApi(provider, { slug: 'weather', upstreamUrl }, { template: 'pro' })
  const other = await veil.publishedApi(provider, { slug: 'maps', upstreamUrl })
  mine = await veil.subscribe(consumer, api)
  second = await veil.subscribe(consumer, other)
  const others = await veil.subscribe(stranger, api)
  await veil.container.sql`update billing_periods
    set starts_at = starts_at - interval '34 days', cycle_starts_at = starts_at - interval '34 days'`
  await report([
    ...[10, 20, 30, 40].map((durationMs) => ({ keyId: mine.keyId, path: '/city/17', durationMs })),
    { keyId: mine.keyId, path: '/city/18', status: 404, durationMs: 1_000 },
    { keyId: mine.keyId, path: '/alerts', status: 503, agoMs: 2 * HOUR_MS },
    { keyId: mine.keyId, path: '/alerts,"quoted"', agoMs: 20 * DAY_MS },
    { keyId: second.keyId, agoMs: HOUR_MS },
    { keyId: others.keyId, path: '/city/19', durationMs: 30 },
  ])
})
afterAll(() => veil.stop())

describe('usage reports', () => {
  it('sums up the running period of each subscription of one’s own', async () => {
    const { items } = await get('/usage/summary')
    expect(items).toMatchObject([
      { subscriptionId: second.id, api: { slug: 'maps' }, calls: 1, errors: 0, units: 1 },
      { subscriptionId: mine.id, api: { slug: 'weather' }, calls: 7, errors: 2, units: 5 },
    ])
    expect((await get('/usage/summary', stranger)).items).toMatchObject([{ calls: 1 }])
  })

  it('adds up by hour and by day', async () => {
    const of = `/usage/stats?subscriptionId=${mine.id}`
    const hours = await get(`${of}&interval=hour`)
    expect(hours).toMatchObject({ subscriptionId: mine.id, interval: 'hour' })
    expect(hours.buckets).toMatchObject([
      { calls: 1, errors: 1, units: 0, averageDurationMs: 10 },
      // (10 + 20 + 30 + 40 + 1,000) / 5
      { calls: 5, errors: 1, units: 4, averageDurationMs: 220, requestBytes: 5 },
    ])
    const { buckets } = await get(`${of}&interval=day`)
    expect(buckets.at(0)).toMatchObject({ calls: 1 })
    expect(buckets.reduce((sum: number, { calls }: { calls: number }) => sum + calls, 0)).toBe(7)
    expect((await refused(of, stranger)).status).toBe(404)
    const backwards = 'from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z'
    expect((await refused(`${of}&${backwards}`)).status).toBe(422)
    const [from, to] = ['2026-01-01T00:00:00Z', '2026-04-04T00:00:00Z']
    expect((await refused(`${of}&from=${from}&to=${to}&interval=hour`)).status).toBe(422)
    expect((await refused(`${of}&from=${from}&to=${to}&interval=day`)).status).toBe(200)
  })

  it('compares the last days with as many before them', async () => {
    expect(await get('/usage/trends?days=14')).toMatchObject({
      days: 14,
      current: { calls: 7, errors: 2, units: 5 },
      previous: { calls: 1, errors: 0, units: 1 },
      change: { calls: 6, errors: null, units: 4 },
    })
  })

  it('names the APIs called most', async () => {
    const { items } = await get('/usage/top-apis')
    expect(items).toMatchObject([
      { api: { slug: 'weather' }, calls: 7, errors: 2, units: 5 },
      { api: { slug: 'maps' }, calls: 1, errors: 0, units: 1 },
    ])
    expect((await get('/usage/top-apis?limit=1')).items).toHaveLength(1)
    expect((await get('/usage/top-apis', stranger)).items).toMatchObject([{ calls: 1 }])
  })

  it('shows rate limits beside the busiest hour', async () => {
    const { items } = await get('/usage/rate-limits')
    const weather = items.find(
      (item: { subscriptionId: string }) => item.subscriptionId === mine.id,
    )
    expect(weather.busiestHour).toMatchObject({ calls: 5 })
    expect(weather.rateLimits.length).toBeGreaterThan(0)
  })

  it('counts the calls of a key', async () => {
    expect(await get(`/api-keys/${mine.keyId}/usage`)).toMatchObject({
      ...{ keyId: mine.keyId, subscriptionId: mine.id, calls: 7, errors: 2, units: 5 },
      ...{ requestBytes: 7, responseBytes: 14 },
    })
    const { status } = await refused(`/api-keys/${mine.keyId}/usage`, stranger)
    expect(status).toBe(404)
  })

  it('measures the operations of an API, ids replaced, for its owner alone', async () => {
    const { items } = await get(`/provider/apis/${api.id}/operations`, provider)
    expect(items[0]).toMatchObject({
      ...{ operation: 'GET /city/{id}', calls: 6, clientErrors: 1, serverErrors: 0 },
      errorRate: 1 / 6,
    })
    const { p50, p95, p99 } = items[0].latencyMs
    expect(Math.abs(p50 - 30) / 30).toBeLessThanOrEqual(0.1)
    expect(Math.abs(p99 - 1_000) / 1_000).toBeLessThanOrEqual(0.1)
    expect(p95).toBe(p99)
    expect(items.map(({ calls }: { calls: number }) => calls)).toEqual([6, 1, 1])
    expect((await refused(`/provider/apis/${api.id}/operations`, stranger)).status).toBe(404)
  })
})

describe('usage export', () => {
  it('is CSV with the calls in order of time, quoted where need be', async () => {
    const response = await file(`subscriptionId=${mine.id}`)
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(response.headers.get('content-disposition')).toContain('.csv"')
    const [head, ...lines] = (await response.text()).trimEnd().split('\r\n')
    expect(head).toMatch(/^at,id,subscriptionId,apiId,keyId,method,path,status/)
    expect(lines).toHaveLength(7)
    expect(lines[0]).toContain(',"/alerts,""quoted""",200,')
    expect(lines.map((line) => line.slice(0, 24))).toEqual(
      lines.map((line) => line.slice(0, 24)).toSorted(),
    )
  })

  it('is NDJSON, and for the owner of an API has the calls of all subscriptions', async () => {
    const response = await download(`/provider/apis/${api.id}/usage/export?format=ndjson`, provider)
    const calls = (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(calls).toHaveLength(8)
    expect(new Set(calls.map(({ subscriptionId }) => subscriptionId)).size).toBe(2)
    expect(calls[0]).toMatchObject({ apiId: api.id, method: 'GET', billable: true, units: 1 })
  })

  it('gives every call once across pages, also those of one instant, and takes a range', async () => {
    const many = Array.from({ length: 2_500 }, () => ({ keyId: second.keyId, agoMs: 3 * DAY_MS }))
    await report(many)
    const text = await (await file(`subscriptionId=${second.id}&format=ndjson`)).text()
    const ids = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).id)
    expect([ids.length, new Set(ids).size]).toEqual([2_501, 2_501])
    const at = new Date(veil.clock.now().getTime() - 2 * DAY_MS).toISOString()
    const recent = await (await file(`subscriptionId=${second.id}&from=${at}&format=ndjson`)).text()
    expect(recent.trimEnd().split('\n')).toHaveLength(1)
  })

  it('is only the head of a table where nothing was called', async () => {
    const to = new Date(veil.clock.now().getTime() - 100 * DAY_MS).toISOString()
    const text = await (await file(`subscriptionId=${mine.id}&to=${to}`)).text()
    expect(text.split('\r\n')).toHaveLength(2)
  })

  it.each([
    ['', 422, 'invalid_input'],
    ['subscriptionId=sub_1', 404, 'subscription_unknown'],
    ['subscriptionId=sub_1&format=xml', 422, 'invalid_input'],
  ])('refuses %s', async (query, status, code) => {
    const answer = await refused(`/usage/export?${query}`)
    expect(answer).toMatchObject({ status, body: { code } })
  })

  it.each(['from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', 'from=2020-01-01T00:00:00Z'])(
    'refuses the range %s',
    async (range) => {
      const answer = await refused(`/usage/export?subscriptionId=${mine.id}&${range}`)
      expect(answer).toMatchObject({ status: 422, body: { code: 'usage_range_invalid' } })
    },
  )

  it("keeps others' calls apart", async () => {
    expect((await refused(`/usage/export?subscriptionId=${mine.id}`, stranger)).status).toBe(404)
    expect((await refused(`/provider/apis/${api.id}/usage/export`, stranger)).status).toBe(404)
  })
})

describe('the quota of a key', () => {
  it('is told by API, estimated to its end, and asked for units', async () => {
    const byApi = await get(`/quota/${mine.keyId}/usage-by-api`)
    expect(byApi.items).toMatchObject([{ api: { slug: 'weather' }, calls: 7, units: 5 }])
    const estimate = await get(`/quota/${second.keyId}/exhaustion-estimate`)
    expect(estimate).toMatchObject({ limit: 1_000, used: 2_501 })
    expect(Date.parse(estimate.exhaustedAt)).toBeLessThanOrEqual(veil.clock.now().getTime())
    expect((await get(`/quota/${mine.keyId}/exhaustion-estimate`)).exhaustedAt).toBeNull()
    const check = (keyId: string, units: number) =>
      veil.expectOk('POST', `/quota/${keyId}/check`, { token: consumer.token, body: { units } })
    expect(await check(second.keyId, 1)).toEqual({ allowed: false, remaining: 0, overage: 0 })
    expect(await check(mine.keyId, 200_000)).toEqual({
      ...{ allowed: true, remaining: 99_995, overage: 100_005 },
    })
  })

  it('shows an alert once a threshold is reached', async () => {
    const { items } = await get('/quota/alerts')
    expect(items).toMatchObject([{ subscriptionId: second.id, threshold: 100, limit: 1_000 }])
  })
})
