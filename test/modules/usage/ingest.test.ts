import { randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { deadLetters, events as queueEvents } from '#db/schema/queue'
import { apiUsageAnalytics, usageCounters, usageRecords } from '#db/schema/usage'
import { createLogger } from '#infra/logger'
import { publish, Worker } from '#infra/queue'
import type { Id } from '#lib/id'
import { registerUsage, type UsageEvent, usageBatchReceived } from '#modules/usage'
import { TestClock } from '#test/clock'
import { freshDatabase, type TestDatabase } from '#test/database'
import { type SeededSubscription, seedPeriod, seedSubscription } from '#test/seed'
import { startUsageApi, type UsageApi } from './usage-api'

const MINUTE = 60_000
const DAY = 86_400_000
const clock = new TestClock()

let database: TestDatabase
let api: UsageApi
let worker: Worker
let subscription: SeededSubscription

beforeAll(async () => {
  database = await freshDatabase()
  api = startUsageApi(database, clock)
  worker = newWorker()
})
afterAll(() => database.drop())
beforeEach(async () => {
  subscription = await seedSubscription(database.db)
  await database.db.delete(queueEvents)
  await database.db.delete(deadLetters)
})

function newWorker(): Worker {
  const created = new Worker({ database, logger: createLogger('silent'), random: () => 0 })
  registerUsage(created, database, clock)
  return created
}

let sequence = 0
const call = (change: Partial<UsageEvent> = {}): UsageEvent => ({
  id: randomUUID(),
  gatewayId: 'gateway-1',
  sequence: ++sequence,
  keyId: subscription.keyId,
  method: 'GET',
  path: '/weather/today',
  status: 200,
  durationMs: 12,
  requestBytes: 10,
  responseBytes: 100,
  at: new Date(clock.now().getTime() - MINUTE).toISOString(),
  ...change,
})
const calls = (count: number, change?: Partial<UsageEvent>) =>
  Array.from({ length: count }, () => call(change))

const counter = async (of: { subscriptionId: Id<'sub'> } = subscription) => {
  const rows = await database.db
    .select()
    .from(usageCounters)
    .where(eq(usageCounters.subscriptionId, of.subscriptionId))
  return rows.map(({ billingPeriodId, calls, errors, units }) => ({
    ...{ billingPeriodId, calls, errors, units },
  }))
}
const recorded = () =>
  database.db.$count(usageRecords, eq(usageRecords.subscriptionId, subscription.subscriptionId))

const rolledUp = async () => {
  const rows = await database.db
    .select()
    .from(apiUsageAnalytics)
    .where(eq(apiUsageAnalytics.subscriptionId, subscription.subscriptionId))
  return rows.reduce((sum, row) => sum + row.calls, 0)
}

describe('what is sent is counted', () => {
  test('a batch is one queue event, then records, counter and rollup agree', async () => {
    const answer = await api.post([...calls(3), call({ status: 404 }), call({ status: 500 })])
    expect(answer.status).toBe(202)
    expect(await answer.json()).toEqual({ accepted: 5, rejected: [] })
    expect(await database.db.$count(queueEvents)).toBe(1)
    await worker.drain()
    expect(await counter()).toEqual([
      { billingPeriodId: subscription.periodId, calls: 5, errors: 2, units: 3 },
    ])
    expect(await recorded()).toBe(5)
    expect(await rolledUp()).toBe(5)
    expect(await database.db.$count(deadLetters)).toBe(0)
  })

  test('the ledger keeps what the gateway said', async () => {
    const at = '2026-01-01T00:00:00.123Z'
    const sent = call({ path: '/a"b\\c,{}ü/%00', method: 'PATCH', sequence: 77, at })
    const old = await seedSubscription(database.db, {
      startsAt: new Date('2025-12-31T00:00:00Z'),
      endsAt: new Date('2026-02-01T00:00:00Z'),
    })
    clock.set(new Date('2026-01-01T00:01:00Z'))
    await database.sql`select ensure_usage_partitions('2025-12-20', '2026-02-01')`
    const event = { ...sent, keyId: old.keyId }
    expect(await (await api.post([event])).json()).toEqual({ accepted: 1, rejected: [] })
    clock.set(new Date())
    await worker.drain()
    const [row] = await database.db
      .select()
      .from(usageRecords)
      .where(eq(usageRecords.subscriptionId, old.subscriptionId))
    const { subscriptionId, apiId, periodId: billingPeriodId } = old
    const expected = { ...event, subscriptionId, apiId, billingPeriodId, billable: true, units: 1 }
    expect({ ...row, at: row?.at.toISOString() }).toEqual(expected)
  })

  test('the same batch twice counts once, in one transaction and in several', async () => {
    const batch = calls(200)
    await api.post(batch)
    await api.post(batch)
    await worker.drain()
    await api.post(batch)
    await api.post([...batch, ...batch])
    await worker.drain()
    expect(await counter()).toMatchObject([{ calls: 200, units: 200 }])
    expect(await rolledUp()).toBe(200)
  })

  test('T19 overlapping, shuffled batches of several gateways and workers are counted exactly', async () => {
    const others = await Promise.all([1, 2, 3].map(() => seedSubscription(database.db)))
    const keys = [subscription, ...others].map(({ keyId }) => keyId)
    const all = Array.from({ length: 2_000 }, (_, n) =>
      call({
        keyId: keys[n % 4]!,
        at: new Date(clock.now().getTime() - (n % 300) * MINUTE).toISOString(),
      }),
    )
    const shuffled = () => [...all].sort(() => Math.random() - 0.5)
    const workers = Array.from({ length: 4 }, newWorker)
    await Promise.all(workers.map((one) => one.start()))
    const posters = Array.from({ length: 4 }, async () => {
      const mine = shuffled()
      for (let from = 0; from < mine.length; from += 400) {
        expect((await api.post(mine.slice(from, from + 500))).status).toBe(202)
      }
    })
    await Promise.all(posters)
    await Promise.all(workers.map((one) => one.stop()))
    await worker.drain()
    expect(await database.db.$count(deadLetters)).toBe(0)
    expect(await database.db.$count(queueEvents)).toBe(0)
    for (const one of [subscription, ...others]) {
      expect(await counter(one)).toMatchObject([{ calls: 500, units: 500 }])
    }
    expect(await recorded()).toBe(500)
    expect(await rolledUp()).toBe(500)
  })

  test('the plan of the period says which statuses are billed', async () => {
    subscription = await seedSubscription(database.db, {
      billableStatuses: [
        { from: 200, to: 200 },
        { from: 429, to: 499 },
      ],
    })
    const statuses = [200, 201, 399, 428, 429, 499, 500]
    await api.post(statuses.map((status) => call({ status })))
    await worker.drain()
    expect(await counter()).toMatchObject([{ calls: 7, errors: 4, units: 3 }])
  })

  test('the plan of the period says what a call of an operation counts', async () => {
    const weights = [
      { operation: 'POST /images/free', units: 0 },
      { operation: 'POST /images/**', units: 25 },
      { operation: '* /reports/*', units: 3 },
    ]
    await database.sql`update pricing_models set operation_weights = ${weights as any}
      where id = ${subscription.planId.slice(5)}::uuid`
    await api.post([
      call({ method: 'POST', path: '/images/free' }),
      call({ method: 'POST', path: '/images/free', status: 500 }),
      call({ method: 'POST', path: '/images/2/large' }),
      call({ method: 'POST', path: '/images' }),
      call({ method: 'GET', path: '/images/2' }),
      call({ method: 'PUT', path: '/reports/7' }),
      call({ method: 'GET', path: '/reports/7/pages' }),
      // Two readings: as what it might be counted most. Not billable, not counted.
      call({ method: 'POST', path: '/images//2' }),
      call({ method: 'GET', path: '/reports//7' }),
      call({ method: 'POST', path: '/images/2', status: 500 }),
    ])
    await worker.drain()
    expect(await counter()).toMatchObject([{ calls: 10, units: 25 + 25 + 1 + 3 + 1 + 25 + 3 }])
  })

  test('the bound of two periods belongs to the later one', async () => {
    const bound = new Date(clock.now().getTime() - DAY)
    subscription = await seedSubscription(database.db, { endsAt: bound })
    const next = await seedPeriod(
      database.db,
      subscription,
      [bound, new Date(bound.getTime() + 30 * DAY)],
      1,
    )
    const before = new Date(bound.getTime() - 1).toISOString()
    await api.post([call({ at: before }), ...calls(2, { at: bound.toISOString() })])
    await worker.drain()
    const counts = new Map((await counter()).map((row) => [row.billingPeriodId, row.calls]))
    expect(counts).toEqual(
      new Map([
        [subscription.periodId, 1],
        [next, 2],
      ]),
    )
  })
})

describe('what cannot be counted', () => {
  test('too old, too far ahead and senseless events are rejected one by one, and kept', async () => {
    const at = (ms: number) => new Date(clock.now().getTime() + ms).toISOString()
    const batch = [
      call({ at: at(-35 * DAY - MINUTE) }),
      call({ at: at(-35 * DAY + MINUTE) }),
      call({ at: at(4 * MINUTE) }),
      call({ at: at(6 * MINUTE) }),
      call({ path: 'a\u0000b\ud800' }),
      call({ keyId: 'key_no' }),
      call({ status: 2_000 }),
    ]
    const rejected = [
      { index: 0, id: batch[0]!.id, reason: 'too_old' },
      { index: 3, id: batch[3]!.id, reason: 'in_future' },
      { index: 4, id: batch[4]!.id, reason: 'invalid' },
      { index: 5, id: batch[5]!.id, reason: 'invalid' },
      { index: 6, id: batch[6]!.id, reason: 'invalid' },
    ]
    for (const _ of ['first time', 'second time']) {
      const answer = await api.post(batch)
      expect(answer.status).toBe(202)
      expect(await answer.json()).toMatchObject({ accepted: 2, rejected })
    }
    await worker.drain()
    expect(await counter()).toMatchObject([{ calls: 2 }])
    const letters = await database.db.select().from(deadLetters)
    expect(letters.map(({ eventId }) => eventId).sort()).toEqual(
      rejected.map(({ id }) => id).sort(),
    )
  })

  test('an unknown key or a time before every period goes to the dead letters, neighbours are counted', async () => {
    subscription = await seedSubscription(database.db, {
      startsAt: new Date(clock.now().getTime() - DAY),
    })
    const unknown = call({ keyId: 'key_unknownunkno' })
    const early = call({ at: new Date(clock.now().getTime() - 2 * DAY).toISOString() })
    await api.post([unknown, ...calls(10), early])
    await worker.drain()
    expect(await counter()).toMatchObject([{ calls: 10 }])
    const letters = await database.db.select().from(deadLetters)
    const reasons = new Map(letters.map(({ eventId, reason }) => [eventId, reason]))
    expect(reasons.get(unknown.id)).toBe('unknown key key_unknownunkno')
    expect(reasons.get(early.id)).toContain('no billing period')
    expect(letters.length).toBe(2)
  })

  test('a call before the next period is opened waits for it', async () => {
    const bound = new Date(clock.now().getTime() - 10 * MINUTE)
    subscription = await seedSubscription(database.db, { endsAt: bound })
    await api.post(calls(3))
    await worker.drain()
    expect(await counter()).toEqual([])
    expect(await database.db.$count(deadLetters)).toBe(0)
    const end = new Date(bound.getTime() + DAY)
    const next = await seedPeriod(database.db, subscription, [bound, end], 1)
    await database.sql`update events set run_at = now()`
    await worker.drain()
    expect(await counter()).toMatchObject([{ billingPeriodId: next, calls: 3 }])
  })

  test('a call after the end of a cancelled subscription, or deferred too often, is a dead letter', async () => {
    const ended = { endsAt: new Date(clock.now().getTime() - 10 * MINUTE) }
    subscription = await seedSubscription(database.db, { ...ended, status: 'cancelled' })
    await api.post([call()])
    subscription = await seedSubscription(database.db, ended)
    await publish(database.db, usageBatchReceived, { events: [call()], deferrals: 12 })
    await worker.drain()
    expect(await database.db.$count(queueEvents)).toBe(0)
    expect(await database.db.$count(deadLetters)).toBe(2)
  })

  test('an event that Postgres refuses is found in its batch, which is counted', async () => {
    const long = { startsAt: new Date('2000-01-01'), endsAt: new Date('2100-01-01') }
    subscription = await seedSubscription(database.db, long)
    // There is no partition for it.
    const poison = call({ at: '2001-01-01T00:00:00.000Z' })
    const events = [...calls(600), poison, ...calls(399)]
    await publish(database.db, usageBatchReceived, { events, deferrals: 0 })
    await api.post(calls(5))
    expect(await worker.drain()).toMatchObject({ done: 2, retried: 0, dead: 0 })
    expect(await counter()).toMatchObject([{ calls: 1_004 }])
    expect(await rolledUp()).toBe(1_004)
    const letters = await database.db.select().from(deadLetters)
    expect(letters).toMatchObject([{ eventId: poison.id, payload: { events: [poison] } }])
  })
})

describe('who may send what', () => {
  test.each([
    ['no token', {}],
    ['a wrong token', { authorization: 'Bearer wrong-wrong-wrong-wrong-wrong-wrong' }],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
  ])('%s is 401', async (_, headers) => {
    const answer = await api.post([call()], headers)
    expect(answer.status).toBe(401)
    expect(await database.db.$count(queueEvents)).toBe(0)
  })

  test('1,000 events are taken, 1,001 and none are 422', async () => {
    expect((await api.post(calls(1_000))).status).toBe(202)
    expect((await api.post(calls(1_001))).status).toBe(422)
    expect((await api.post([])).status).toBe(422)
    await worker.drain()
    expect(await counter()).toMatchObject([{ calls: 1_000 }])
  })
})
