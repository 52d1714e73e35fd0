import { appendFileSync, mkdtempSync, renameSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eq } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { buildCron } from '#app/background'
import { usageRecords } from '#db/schema/usage'
import { usageGaps } from '#db/schema/usage-completeness'
import { createLogger } from '#infra/logger'
import { eventually } from '#test/poll'
import { type SeededSubscription, seedSubscription } from '#test/seed'
import { TestVeil } from '#test/veil'
import { Shipper } from '../../../src/modules/gateway/shipper'
import { logLine } from '../gateway/access-log-lines'

const MINUTE = 60_000
const MACHINE = 't'.repeat(32)

let veil: TestVeil
let subscription: SeededSubscription
/** In front of the API; as many batches as `swallow` says are taken and thrown away. */
let proxy: ReturnType<typeof Bun.serve>
let swallow = 0
let folder: string
let gateways = 0

beforeAll(async () => {
  veil = await TestVeil.start()
  await veil.admin()
  subscription = await seedSubscription(veil.database.db)
  proxy = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: pass })
})
afterAll(async () => {
  await proxy.stop(true)
  await veil.stop()
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veil-completeness-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function pass(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url)
  const bytes = new Uint8Array(await request.arrayBuffer())
  const isGzip = request.headers.get('content-encoding') === 'gzip'
  const body = isGzip ? Bun.gunzipSync(bytes) : bytes
  if (pathname === '/usage/events' && swallow > 0) {
    swallow--
    const { events } = JSON.parse(new TextDecoder().decode(body))
    return Response.json({ accepted: events.length, rejected: [] }, { status: 202 })
  }
  const { method } = request
  return fetch(`${veil.url}${pathname}${search}`, {
    method,
    headers: {
      authorization: request.headers.get('authorization') ?? '',
      'content-type': 'application/json',
    },
    ...(method === 'POST' && { body }),
  })
}

/** A gateway of its own with its log. It asks for gaps only when it starts. */
function newGateway() {
  const gatewayId = `gateway-${++gateways + 10}`
  const logPath = join(folder, `${gatewayId}.log`)
  const newShipper = () =>
    new Shipper({
      ...{
        gatewayId,
        logPath,
        journalPath: join(folder, `${gatewayId}.journal`),
        gapPollMs: 3_600_000,
      },
      ...{ url: `http://127.0.0.1:${proxy.port}`, token: MACHINE, logger: createLogger('silent') },
    })
  let shipper = newShipper()
  return {
    gatewayId,
    logPath,
    /** Starts it again: it asks what is missing and sends that. */
    ask: () => {
      shipper = newShipper()
      return shipper.runOnce()
    },
    /** So many calls, in one batch. */
    call: async (count: number) => {
      const call = () => logLine({ keyId: subscription.keyId.slice('key_'.length) })
      appendFileSync(logPath, Array.from({ length: count }, call).join(''))
      expect(await shipper.runOnce()).toMatchObject({ shipped: count, waitMs: null })
    },
    completeness: async () => {
      const answer = await asAdmin()
      return answer.gateways.find((gateway: any) => gateway.gatewayId === gatewayId)
    },
    ledger: async () => {
      const rows = await veil.database.db
        .select({ id: usageRecords.id, sequence: usageRecords.sequence })
        .from(usageRecords)
        .where(eq(usageRecords.gatewayId, gatewayId))
      return rows.map(({ sequence }) => sequence).sort((a, b) => a - b)
    },
    alerts: async () => {
      const mails = await veil.database.sql<{ text: string }[]>`
        select text from outbox_mails where subject = ${`Usage of ${gatewayId} is missing`}`
      return mails.map(({ text }) => /calls (\d+ to \d+)/.exec(text)?.[1])
    },
    noted: () => veil.database.db.$count(usageGaps, eq(usageGaps.gatewayId, gatewayId)),
  }
}
type Gateway = ReturnType<typeof newGateway>

/** Signed in anew, since the clock is moved beyond the life of a token. */
const asAdmin = async () =>
  veil.expectOk('GET', '/usage/completeness', { token: (await veil.admin()).token })

const check = () => buildCron(veil.container).runNow('usage-completeness')
async function checkMinutesLater(minutes: number) {
  veil.clock.advance(minutes * MINUTE)
  await check()
}
const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1)
const booked = (gateway: Gateway, last: number) =>
  eventually(async () => (await gateway.ledger()).length === last, `${last} calls in the ledger`)

async function swallowed(gateway: Gateway, count: number) {
  swallow = 1
  await gateway.call(count)
  expect(swallow).toBe(0)
}

describe('a batch that was answered and lost', () => {
  test('is a gap, is told of once after five minutes, and then sent again by itself', async () => {
    const gateway = newGateway()
    await gateway.call(3)
    await swallowed(gateway, 4)
    await gateway.call(2)
    const gap = { first: 4, last: 7, state: 'open', since: expect.any(String) }
    expect(await gateway.completeness()).toEqual({
      ...{ gatewayId: gateway.gatewayId, highest: 9, completeUpTo: 3, missing: 4 },
      ...{ lastEventAt: expect.any(String), gaps: [gap] },
    })
    await check()
    await checkMinutesLater(4)
    await gateway.ask()
    expect(await gateway.completeness()).toMatchObject({ gaps: [gap] })
    expect(await gateway.alerts()).toEqual([])

    await checkMinutesLater(1.1)
    await checkMinutesLater(0)
    expect(await gateway.completeness()).toMatchObject({ gaps: [{ ...gap, state: 'requested' }] })
    await gateway.ask()
    expect(await gateway.completeness()).toMatchObject({ completeUpTo: 9, missing: 0, gaps: [] })
    await booked(gateway, 9)
    expect(await gateway.ledger()).toEqual(upTo(9))
    await checkMinutesLater(10)
    expect(await gateway.noted()).toBe(0)
    await eventually(async () => (await gateway.alerts()).length > 0, 'the alert')
    expect(await gateway.alerts()).toEqual(['4 to 7'])
  })

  test('is sent again at once when nothing came behind it', async () => {
    const gateway = newGateway()
    await gateway.call(3)
    await swallowed(gateway, 4)
    expect(await gateway.completeness()).toMatchObject({ highest: 3, completeUpTo: 3, gaps: [] })
    await gateway.ask()
    expect(await gateway.completeness()).toMatchObject({ highest: 7, completeUpTo: 7, gaps: [] })
    await booked(gateway, 7)
  })

  test('that closes by itself in time is nobody told of', async () => {
    const gateway = newGateway()
    await gateway.call(1)
    await swallowed(gateway, 1)
    await gateway.call(1)
    await check()
    expect(await gateway.noted()).toBe(1)
    // As a post that was on its way for long.
    await veil.database
      .sql`update usage_arrivals set received = '{[1,4)}' where gateway_id = ${gateway.gatewayId}`
    await checkMinutesLater(6)
    expect(await gateway.noted()).toBe(0)
    expect(await gateway.alerts()).toEqual([])
  })

  test('of one gateway is not looked for at another', async () => {
    const [one, other] = [newGateway(), newGateway()]
    await one.call(2)
    await swallowed(one, 2)
    await other.call(5)
    await one.call(1)
    await check()
    await checkMinutesLater(6)
    const gaps = await veil.expectOk('GET', `/usage/gaps?gatewayId=${other.gatewayId}`, {
      token: MACHINE,
    })
    expect(gaps).toEqual({ highest: 5, gaps: [] })
    await Promise.all([other.ask(), one.ask()])
    expect(await one.completeness()).toMatchObject({ highest: 5, completeUpTo: 5 })
    expect(await other.completeness()).toMatchObject({ highest: 5, completeUpTo: 5 })
    await Promise.all([booked(one, 5), booked(other, 5)])
  })
})

describe('what the gateway has no more', () => {
  test('stays listed as unrecoverable, the rest of the gap is sent', async () => {
    const gateway = newGateway()
    await swallowed(gateway, 3)
    renameSync(gateway.logPath, join(folder, `${gateway.gatewayId}-2026-01-01.log`))
    await swallowed(gateway, 4)
    await gateway.call(2)
    unlinkSync(join(folder, `${gateway.gatewayId}-2026-01-01.log`))
    await check()
    await checkMinutesLater(6)
    await gateway.ask()
    const lost = { first: 1, last: 3, state: 'unrecoverable' }
    expect(await gateway.completeness()).toMatchObject({ highest: 9, missing: 3, gaps: [lost] })
    await booked(gateway, 6)
    expect(await gateway.ledger()).toEqual([4, 5, 6, 7, 8, 9])
    await checkMinutesLater(60)
    await gateway.ask()
    await gateway.call(1)
    expect(await gateway.completeness()).toMatchObject({ highest: 10, gaps: [lost] })
    await eventually(async () => (await gateway.alerts()).length > 0, 'the alert')
    expect(await gateway.alerts()).toEqual(['1 to 7'])
  })

  test('is no more than what is missing, whatever it says', async () => {
    const gateway = newGateway()
    await gateway.call(3)
    const ranges = [
      { first: 2, last: 900 },
      { first: 9, last: 1 },
    ]
    const body = { gatewayId: gateway.gatewayId, ranges }
    const report = () => veil.request('POST', '/usage/gaps/unrecoverable', { token: MACHINE, body })
    expect((await report()).status).toBe(204)
    expect(await gateway.noted()).toBe(0)
    body.gatewayId = 'never-heard-of'
    expect((await report()).status).toBe(204)
    expect(await gateway.completeness()).toMatchObject({ completeUpTo: 3, gaps: [] })
  })
})

test('a server that was set back gets again what it lost', async () => {
  const gateway = newGateway()
  for (const count of [3, 4, 5]) await gateway.call(count)
  await booked(gateway, 12)
  const { gatewayId } = gateway
  await veil.database.sql.begin(async (tx) => {
    // The ledger is immutable; a copy that is older than the log has other triggers.
    await tx`set local session_replication_role = 'replica'`
    await tx`delete from usage_records where gateway_id = ${gatewayId} and sequence > 5`
  })
  await veil.database
    .sql`update usage_arrivals set received = '{[1,6)}' where gateway_id = ${gatewayId}`
  await gateway.ask()
  await booked(gateway, 12)
  expect(await gateway.ledger()).toEqual(upTo(12))
  expect(await gateway.completeness()).toMatchObject({ highest: 12, completeUpTo: 12 })
})

test('a gateway whose journal was lost goes on above its numbers, and nothing counts twice', async () => {
  const gateway = newGateway()
  await gateway.call(5)
  await booked(gateway, 5)
  unlinkSync(join(folder, `${gateway.gatewayId}.journal`))
  await gateway.ask()
  expect(await gateway.completeness()).toMatchObject({ highest: 10, completeUpTo: 10 })
  await gateway.call(1)
  await booked(gateway, 6)
  expect(await gateway.ledger()).toEqual([1, 2, 3, 4, 5, 11])
})

test('only admins read it, and only gateways are told what to send', async () => {
  const consumer = (await veil.user('consumer')).token
  const refused = await veil.request('GET', '/usage/completeness', { token: consumer })
  expect(refused).toMatchObject({ status: 403, body: { code: 'permission_missing' } })
  const query = '/usage/gaps?gatewayId=gateway-1'
  expect((await veil.request('GET', query, { token: (await veil.admin()).token })).status).toBe(401)
})
