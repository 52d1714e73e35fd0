import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildCron } from '#app/background'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { TestVeil } from '#test/veil'

let veil: TestVeil
let upstream: TestServer

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('upstream')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

const run = (job: string) => buildCron(veil.container).runNow(job)

test('every job does its work once; doing it again changes nothing', async () => {
  const provider = await veil.user('provider')
  const consumer = await veil.user('consumer')
  const api = await veil.publishedApi(provider, {
    slug: 'jobs',
    upstreamUrl: `http://127.0.0.1:${upstream.port}`,
  })
  await veil.expectOk('POST', '/subscriptions', {
    token: consumer.token,
    headers: { 'idempotency-key': 'once' },
    body: { api: api.slug, planId: api.planId },
  })

  expect(await run('gateway-health')).toEqual({ recovered: 0, writes: 0, activated: 0, down: 0 })
  await veil.caddy.restart()
  expect(await run('gateway-health')).toEqual({ recovered: 0, writes: 1, activated: 0, down: 0 })
  expect(await run('gateway-health')).toEqual({ recovered: 0, writes: 0, activated: 0, down: 0 })

  const inOrder = { missing: 0, stale: 0, orphan: 0, failed: 0 }
  expect(await run('gateway-reconcile')).toEqual(inOrder)

  expect(await run('subscription-renewal')).toEqual({ opened: 0, settled: 0 })
  expect(await run('idempotency-keys-cleanup')).toEqual({ deleted: 0 })
  veil.clock.advance(32 * 86_400_000)
  expect(await run('subscription-renewal')).toEqual({ opened: 1, settled: 0 })
  expect(await run('subscription-renewal')).toEqual({ opened: 0, settled: 0 })
  expect(await run('idempotency-keys-cleanup')).toEqual({ deleted: 1 })
  expect(await run('idempotency-keys-cleanup')).toEqual({ deleted: 0 })
  expect(await run('notifications-cleanup')).toEqual({ mails: 0, deliveries: 0 })
  expect(await run('expired-key-cleanup')).toEqual({ expired: 0, idle: 0 })
  expect(await run('key-rotation')).toEqual({ reminded: 0 })
  expect(await run('usage-partitions')).toEqual({ ensured: 1 })
  expect(await run('usage-completeness')).toEqual({ gaps: 0, requested: 0, unrecoverable: 0 })
  await expect(run('unknown')).rejects.toMatchObject({ code: 'job_unknown' })
})
