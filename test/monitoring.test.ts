import { afterAll, beforeAll, expect, test } from 'vitest'
import { addDatabase } from '#app/monitoring'
import { gatewayCommits, gatewayDrift } from '#db/schema/gateway'
import { systemClock } from '#infra/clock'
import { newId } from '#lib/id'
import { readSeries } from '#test/scrape'
import { eventually, TestVeil } from '#test/veil'

let veil: TestVeil
const upstream = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('ok') })
beforeAll(async () => {
  veil = await TestVeil.start()
  addDatabase(veil.container)
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop(true)
})

/** What is told once it adds up to so much. */
async function toldWhen(name: string, value: number): Promise<Record<string, number>> {
  const scrape = async () => readSeries(await veil.container.metrics.text())
  return Object.fromEntries(await eventually(scrape, (series) => series.get(name) === value))
}

test('T22: what Veil did is what it tells: answers, decisions, bookings, refusals', async () => {
  const provider = await veil.user('provider')
  const consumer = await veil.user('consumer')
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`
  const api = await veil.publishedApi(provider, { slug: 'weather', upstreamUrl })
  const { key, keyId } = await veil.subscribe(consumer, api)
  for (let call = 0; call < 3; call++) await veil.call('/weather/today', key)
  expect((await veil.call('/weather/today', `${key.slice(0, -1)}!`)).status).toBe(401)
  expect(await toldWhen('veil_usage_booked_calls_total', 3)).toMatchObject({
    'veil_edge_decisions_total{decision="admitted"}': 3,
    veil_usage_duplicate_calls_total: 0,
  })
  const call = {
    ...{ id: crypto.randomUUID(), gatewayId: 'gateway-9', sequence: 1, keyId, method: 'GET' },
    ...{ path: '/', status: 200, durationMs: 1, requestBytes: 1, responseBytes: 1 },
    at: veil.clock.now().toISOString(),
  }
  const report = { token: 't'.repeat(32), body: { events: [call] } }
  await veil.request('GET', `/subscriptions/${crypto.randomUUID()}`, { token: consumer.token })
  await veil.request('GET', '/subscriptions/nothing/there/is', { token: consumer.token })
  await veil.request('GET', '/quota')
  for (let time = 0; time < 3; time++) await veil.expectOk('POST', '/usage/events', report)
  const told = await toldWhen('veil_usage_duplicate_calls_total', 2)
  expect(told).toMatchObject({
    ...{ veil_usage_booked_calls_total: 4, veil_usage_backlog_calls: 0 },
    'veil_http_request_duration_seconds_count{method="POST",route="/auth/register",status="201"}': 2,
    'veil_http_request_duration_seconds_count{method="GET",route="/subscriptions/:id",status="404"}': 1,
    'veil_http_request_duration_seconds_count{method="GET",route="/quota",status="401"}': 1,
    'veil_http_request_duration_seconds_count{method="GET",route="(none)",status="404"}': 1,
    'veil_metrics_source_up{source="queue"}': 1,
    'veil_metrics_source_up{source="gateway"}': 1,
    'veil_metrics_source_up{source="usage"}': 1,
    ...{ veil_gateway_oldest_open_commit_seconds: 0, veil_queue_dead_letters: 0 },
  })
})

test('T22: changes that are not settled by age, and differences of the gateways by kind', async () => {
  const { db } = veil.database
  const ages = [1, 5, 30, 90, 600, 1_200]
  await db.insert(gatewayCommits).values(
    ages.map((seconds) => ({
      ...{ id: newId('gwc', systemClock), kind: 'test', subjectId: `subject-${seconds}` },
      ...{ state: 'preparing' as const, createdAt: new Date(Date.now() - seconds * 1_000) },
      deadlineAt: new Date(Date.now() + 3_600_000),
    })),
  )
  const counts = { missing: 3, stale: 2, orphan: 1 }
  await db.insert(gatewayDrift).values({
    ...{ gatewayId: 'gateway-8', checkedAt: new Date(), ...counts, drifts: [], total: 40 },
  })
  const told = await toldWhen('veil_gateway_open_commits{age="under 10 s"}', 2)
  expect(told).toMatchObject({
    'veil_gateway_open_commits{age="under 60 s"}': 1,
    'veil_gateway_open_commits{age="older"}': 3,
    'veil_gateway_drifts{gateway="gateway-8",kind="missing"}': 3,
    'veil_gateway_drifts{gateway="gateway-8",kind="stale"}': 2,
    'veil_gateway_drifts{gateway="gateway-8",kind="orphan"}': 1,
    'veil_gateway_drifts_total{gateway="gateway-8"}': 40,
  })
  expect(told.veil_gateway_oldest_open_commit_seconds).toBeGreaterThanOrEqual(1_200)
  await db.delete(gatewayCommits)
})
