import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { events as queueEvents } from '#db/schema/queue'
import { usageBacklog } from '#db/schema/usage'
import { createLogger } from '#infra/logger'
import { Worker } from '#infra/queue'
import { registerUsage, usageRollupJob } from '#modules/usage'
import { TestClock } from '#test/clock'
import { freshDatabase, type TestDatabase } from '#test/database'
import { eventually } from '#test/poll'
import { type SeededSubscription, seedSubscription } from '#test/seed'
import { makeCall } from './make-call'
import { startUsageApi, type UsageApi } from './usage-api'

const clock = new TestClock()
let database: TestDatabase
let api: UsageApi
let worker: Worker
let subscription: SeededSubscription

beforeAll(async () => {
  database = await freshDatabase()
  api = startUsageApi(database, clock)
  worker = new Worker({ database, logger: createLogger('silent') })
  registerUsage(worker, database, clock)
  subscription = await seedSubscription(database.db)
})
afterAll(() => database.drop())
beforeEach(async () => {
  await worker.drain()
  await database.db.delete(usageBacklog)
})

const calls = (count: number) => Array.from({ length: count }, () => makeCall(subscription.keyId))
const packed = (events: unknown[]) => gzipSync(JSON.stringify({ events }))
const GZIP = { 'content-encoding': 'gzip' }

describe('gzip', () => {
  test('a packed batch is taken like a plain one', async () => {
    const events = calls(300)
    const answer = await api.send(packed(events), GZIP)
    expect(answer.status).toBe(202)
    expect(await answer.json()).toEqual({ accepted: 300, rejected: [] })
    expect(await worker.drain()).toMatchObject({ done: 1 })
  })

  test.each([
    ['no gzip at all', () => Buffer.from('{"events":[]}'), GZIP, 400],
    ['cut short', () => packed(calls(100)).subarray(0, 500), GZIP, 400],
    ['damaged within', () => damaged(packed(calls(100))), GZIP, 400],
    ['nothing', () => Buffer.alloc(0), GZIP, 400],
    ['packed in another way', () => packed(calls(1)), { 'content-encoding': 'br' }, 415],
    ['a bomb: 200 KB that become 200 MB', () => bomb(), GZIP, 413],
  ])('%s is refused', async (_, body, headers, status) => {
    expect((await api.send(body(), headers)).status).toBe(status)
    expect(await database.db.$count(queueEvents)).toBe(0)
  })
})

function damaged(bytes: Buffer): Buffer {
  const middle = bytes.length >> 1
  bytes.fill(0xff, middle, middle + 20)
  return bytes
}

const bomb = () => gzipSync(Buffer.alloc(200 * 1024 * 1024, ' '))

describe('the backlog', () => {
  const waiting = async () => {
    const rows = await database.db.select().from(usageBacklog)
    return rows.reduce((sum, row) => sum + row.calls, 0)
  }

  test('is what was accepted and is not booked yet', async () => {
    await api.post(calls(7))
    await api.post([...calls(5), { ...makeCall(subscription.keyId), at: 'never' }])
    expect(await waiting()).toBe(12)
    await worker.drain()
    expect(await waiting()).toBe(0)
  })

  test('beyond the limit it is 429 with Retry-After, until calls are booked; nothing is lost', async () => {
    const narrow = startUsageApi(database, clock, 100)
    expect((await narrow.post(calls(60))).status).toBe(202)
    // Taken while there is room: the limit may be passed by one batch for each connection.
    expect((await narrow.post(calls(60))).status).toBe(202)
    const events = calls(10)
    const refused = await narrow.post(events)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused.json()).toMatchObject({ code: 'usage_backlog_full' })
    expect(await waiting()).toBe(120)
    await worker.drain()
    await eventually(async () => (await narrow.post(events)).status === 202, 'room again')
  })

  test('another process sees it too', async () => {
    await api.post(calls(200))
    expect((await startUsageApi(database, clock, 100).post(calls(1))).status).toBe(429)
  })

  test('a batch that left the queue unbooked does not count for ever', async () => {
    await api.post(calls(3))
    await database.db.delete(queueEvents)
    await usageRollupJob(database).run(new Date(Date.now() + 7_200_000))
    expect(await waiting()).toBe(0)
  })
})
