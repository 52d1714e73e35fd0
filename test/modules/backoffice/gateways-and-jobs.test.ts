import { afterAll, beforeAll, expect, test } from 'vitest'
import { disagreements } from '#test/gateway-agreement'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let admin: TestUser

beforeAll(async () => {
  veil = await TestVeil.start()
  admin = await veil.admin()
})
afterAll(() => veil.stop())

const get = (path: string) => veil.expectOk('GET', path, { token: admin.token })
const post = (path: string, body?: unknown) =>
  veil.expectOk('POST', path, { token: admin.token, body })

/** Writes our server as somebody else would, behind our back. */
async function meddle(change: (text: string) => string): Promise<void> {
  const path = `${veil.caddy.adminUrl}/config/apps/http/servers/veil`
  const text = await (await fetch(path, { keepalive: false })).text()
  const response = await fetch(path, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: change(text),
    keepalive: false,
  })
  expect(response.status).toBe(200)
}

test('drift of APIs and keys is told by kind, healed once, counted and audited', async () => {
  const [provider, consumer] = [await veil.user('provider'), await veil.user('consumer')]
  const upstreamUrl = 'http://127.0.0.1:9'
  const [lost, changed, keyed] = [
    await veil.publishedApi(provider, { slug: 'lost', upstreamUrl }),
    await veil.publishedApi(provider, { slug: 'changed', upstreamUrl }),
    await veil.publishedApi(provider, { slug: 'keyed', upstreamUrl }),
  ]
  const { keyId } = await veil.subscribe(consumer, keyed)
  const stranger = `api_${'0'.repeat(32)}`
  const leftOver = 'AAAAAAAAAAAA'
  await meddle((text) =>
    text
      // One API under a strange name: the one is missing, the other left over.
      .replaceAll(lost.id, stranger)
      .replace(`"veil_api":"${changed.id}"`, '"veil_api":"other"')
      .replace(keyId.slice('key_'.length), leftOver),
  )

  const [before] = await get('/admin/gateways')
  expect(before).toMatchObject({ id: 'gateway-1', isUp: true, isInSync: false, drifts: 0 })
  const found = {
    ...{ missing: 2, stale: 1, orphan: 2 },
    drifts: expect.arrayContaining([
      { kind: 'missing', subjectId: lost.id },
      { kind: 'orphan', subjectId: stranger },
      { kind: 'stale', subjectId: changed.id },
      { kind: 'missing', subjectId: keyId },
      { kind: 'orphan', subjectId: `key_${leftOver}` },
    ]),
  }
  const reconcile = '/admin/gateways/gateway-1/reconcile'
  expect(await post(reconcile, { dryRun: true })).toEqual({ ...found, healed: false })
  expect(await post(reconcile, {})).toEqual({ ...found, healed: true })
  expect(await disagreements(veil.database.sql, veil.caddy.adminUrl)).toEqual([])
  const nothing = { missing: 0, stale: 0, orphan: 0, drifts: [] }
  expect(await post(reconcile, {})).toEqual({ ...nothing, healed: false })

  const drift = await get('/admin/gateways/gateway-1/drift')
  expect(drift).toMatchObject({ ...nothing, total: 5, drifts: found.drifts })
  const [after] = await get('/admin/gateways')
  expect(after).toMatchObject({ isInSync: true, drifts: 5, checkedAt: expect.any(String) })
  const audited = await veil.database.sql`
    select actor_id, details from audit_log where action = 'gateway.healed'`
  expect(audited).toEqual([{ actor_id: admin.id, details: { missing: 2, stale: 1, orphan: 2 } }])
})

test('a gateway that is not there is 404', async () => {
  const { token } = admin
  const answer = await veil.request('GET', '/admin/gateways/gateway-2/drift', { token })
  expect(answer).toMatchObject({ status: 404, body: { code: 'gateway_unknown' } })
})

test('jobs are listed with their last run, run on demand, and failures are told', async () => {
  const reconcile = async () =>
    (await get('/admin/jobs')).find(({ name }: { name: string }) => name === 'gateway-reconcile')
  expect(await reconcile()).toMatchObject({ lastRun: null, runs: 0, schedule: '40 */5 * * * *' })
  const counts = { missing: 0, stale: 0, orphan: 0, failed: 0 }
  expect(await post('/admin/jobs/gateway-reconcile/run')).toEqual({ counts })
  expect(await reconcile()).toMatchObject({ lastRun: { counts, error: null }, runs: 1 })

  await veil.database.sql`alter table billing_periods rename to billing_periods_away`
  const { token } = admin
  const failed = await veil.request('POST', '/admin/jobs/subscription-renewal/run', { token })
  await veil.database.sql`alter table billing_periods_away rename to billing_periods`
  expect(failed.status).toBe(500)
  const renewal = (await get('/admin/jobs')).find(
    ({ name }: { name: string }) => name === 'subscription-renewal',
  )
  expect(renewal).toMatchObject({
    failures: 1,
    lastRun: { counts: null, error: expect.any(String) },
  })
  const unknown = await veil.request('POST', '/admin/jobs/nothing/run', { token })
  expect(unknown).toMatchObject({ status: 404, body: { code: 'job_unknown' } })
})
