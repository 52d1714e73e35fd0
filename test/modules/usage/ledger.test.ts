import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensurePartitions } from '#db/migrate'
import { events as queueEvents } from '#db/schema/queue'
import { billingPeriods } from '#db/schema/subscriptions'
import { apiOperationAnalytics, usageCounters, usageProjections } from '#db/schema/usage'
import { createLogger } from '#infra/logger'
import { publish, Worker } from '#infra/queue'
import { quotaThresholdReached } from '#modules/quota'
import {
  registerUsage,
  type UsageEvent,
  usageBatchReceived,
  usageRetentionJob,
  usageRollupJob,
} from '#modules/usage'
import { TestClock } from '#test/clock'
import { freshDatabase, type TestDatabase } from '#test/database'
import { type SeededSubscription, seedPeriod, seedSubscription } from '#test/seed'
import { percentile } from '../../../src/modules/usage/histogram'
import { makeCall } from './make-call'

const DAY = 86_400_000
const clock = new TestClock()
let database: TestDatabase
let worker: Worker

beforeAll(async () => {
  database = await freshDatabase()
  worker = newWorker()
})
afterAll(() => database.drop())

function newWorker(): Worker {
  const created = new Worker({ database, logger: createLogger('silent'), random: () => 0 })
  registerUsage(created, database, clock)
  return created
}

const queue = (events: UsageEvent[]) =>
  publish(database.db, usageBatchReceived, { events, deferrals: 0 })
const calls = (of: SeededSubscription, count: number, change: Partial<UsageEvent> = {}) =>
  Array.from({ length: count }, () => makeCall(of.keyId, change))

async function withQuota(quotaLimit: number): Promise<SeededSubscription> {
  const subscription = await seedSubscription(database.db)
  await database.db
    .update(billingPeriods)
    .set({ quotaLimit })
    .where(eq(billingPeriods.id, subscription.periodId))
  return subscription
}

describe('quota thresholds', () => {
  const reached = async ({ subscriptionId }: SeededSubscription) => {
    const rows = await database.db
      .select()
      .from(queueEvents)
      .where(eq(queueEvents.type, quotaThresholdReached.name))
    return rows
      .map(({ payload }) => quotaThresholdReached.schema.parse(payload))
      .filter((payload) => payload.subscriptionId === subscriptionId)
      .sort((a, b) => a.threshold - b.threshold)
  }

  test('each is told of when it is crossed, with what was used', async () => {
    const subscription = await withQuota(10)
    const { subscriptionId, periodId: billingPeriodId } = subscription
    await queue(calls(subscription, 4))
    await worker.drain()
    expect(await reached(subscription)).toEqual([])
    await queue([...calls(subscription, 1), ...calls(subscription, 5, { status: 500 })])
    await worker.drain()
    const half = { subscriptionId, billingPeriodId, threshold: 50, units: 5, included: 10 }
    expect(await reached(subscription)).toEqual([half])
    await queue(calls(subscription, 20))
    await worker.drain()
    expect((await reached(subscription)).map(({ threshold, units }) => [threshold, units])).toEqual(
      [
        [50, 5],
        [80, 25],
        [90, 25],
        [100, 25],
      ],
    )
    await queue(calls(subscription, 20))
    await worker.drain()
    expect((await reached(subscription)).length).toBe(4)
  })

  test('of several workers, over batches that overlap, each is told of once', async () => {
    const subscription = await withQuota(1_000)
    const all = calls(subscription, 1_200)
    for (let from = 0; from < all.length; from += 40) await queue(all.slice(from, from + 60))
    await Promise.all(Array.from({ length: 3 }, () => newWorker().drain()))
    expect((await reached(subscription)).map(({ threshold }) => threshold)).toEqual([
      50, 80, 90, 100,
    ])
  })
})

describe('operations', () => {
  const rows = ({ apiId }: SeededSubscription) =>
    database.db.select().from(apiOperationAnalytics).where(eq(apiOperationAnalytics.apiId, apiId))

  test('are counted by the hour, with errors by class, sizes and durations', async () => {
    const subscription = await seedSubscription(database.db)
    for (const batch of [1, 2, 3])
      await queue([
        ...calls(subscription, 90, { path: `/weather/cities/${batch}`, durationMs: 20 }),
        ...calls(subscription, 9, { path: '/weather/cities/77', status: 404, durationMs: 300 }),
        ...calls(subscription, 1, { path: '/weather/cities/8"\\', status: 503, durationMs: 9_000 }),
        ...calls(subscription, 1, { path: '/weather/cities/9', method: 'POST' }),
      ])
    await worker.drain()
    await queue(calls(subscription, 100, { path: '/weather/cities/5', durationMs: 20 }))
    await worker.drain()
    const found = await rows(subscription)
    const get = found.find(({ operation }) => operation === 'GET /weather/cities/{id}')
    expect(get).toMatchObject({
      calls: 397,
      clientErrors: 27,
      serverErrors: 0,
      requestBytes: 3_970,
    })
    expect(found.map(({ operation }) => operation).sort()).toEqual([
      'GET /weather/cities/8"\\',
      'GET /weather/cities/{id}',
      'POST /weather/cities/{id}',
    ])
    expect(percentile(get?.latency ?? [], 0.5)).toBeCloseTo(20, -1)
    expect(percentile(get?.latency ?? [], 0.99)).toBeGreaterThan(270)
    expect(percentile(get?.latency ?? [], 0.99)).toBeLessThan(330)
  })

  test('are at most a hundred an API and hour, and those others', async () => {
    const subscription = await seedSubscription(database.db)
    const word = (n: number) => [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]).join('')
    const paths = Array.from({ length: 150 }, (_, n) => `/weather/${word(n)}`)
    for (const part of [paths.slice(0, 70), paths.slice(50), paths]) {
      await queue(part.flatMap((path) => calls(subscription, 1, { path })))
      // Each by a worker that has just started, and one that has not.
      await newWorker().drain()
    }
    const found = await rows(subscription)
    expect(found.length).toBe(101)
    expect(found.reduce((sum, row) => sum + row.calls, 0)).toBe(70 + 100 + 150)
    expect(found.find(({ operation }) => operation === '(other)')?.calls).toBe(100)
  })
})

describe('what the recorder remembers', () => {
  test('a period that is cut short ends for the calls after it, at once', async () => {
    const subscription = await seedSubscription(database.db)
    await queue(calls(subscription, 2))
    await worker.drain()
    const cut = new Date(Date.now() - 5 * 60_000)
    const { periodId } = subscription
    await database.db.transaction(async (tx) => {
      await tx.update(billingPeriods).set({ endsAt: cut }).where(eq(billingPeriods.id, periodId))
      await seedPeriod(tx, subscription, [cut, new Date(Date.now() + DAY)], 1)
    })
    await queue(calls(subscription, 3))
    await worker.drain()
    const counted = await database.db
      .select({ period: usageCounters.billingPeriodId, calls: usageCounters.calls })
      .from(usageCounters)
      .where(eq(usageCounters.subscriptionId, subscription.subscriptionId))
    expect(new Map(counted.map((row) => [row.period === periodId, row.calls]))).toEqual(
      new Map([
        [true, 2],
        [false, 3],
      ]),
    )
  })
})

describe('the ledger', () => {
  test('refuses to be changed', async () => {
    const subscription = await seedSubscription(database.db)
    await queue(calls(subscription, 1))
    await worker.drain()
    await expect(database.sql`update usage_records set units = 0`).rejects.toThrow(/immutable/)
    await expect(database.sql`delete from usage_records`).rejects.toThrow(/immutable/)
  })

  test('keeps calls for so many days, and what was counted for good', async () => {
    const old = await seedSubscription(database.db, { startsAt: new Date(Date.now() - 200 * DAY) })
    for (const days of [100, 70]) {
      const past = new TestClock()
      past.advance(-days * DAY)
      await ensurePartitions(database.sql, past)
    }
    const at = (days: number) => ({ at: new Date(Date.now() - days * DAY).toISOString() })
    await queue([...calls(old, 1, at(100)), ...calls(old, 1, at(63)), ...calls(old, 1, at(1))])
    await worker.drain()
    const job = usageRetentionJob(database.sql, 70)
    expect(await job.run(new Date())).toEqual({ dropped: expect.any(Number) })
    const left = await database.sql<{ days: number }[]>`
      select round(extract(epoch from now() - at) / 86400)::int as days from usage_records
      where subscription_id = ${old.subscriptionId.slice(4)} order by at`
    expect(left.map(({ days }) => days)).toEqual([63, 1])
    expect(await job.run(new Date())).toEqual({ dropped: 0 })
    const [counter] = await database.db
      .select()
      .from(usageCounters)
      .where(eq(usageCounters.subscriptionId, old.subscriptionId))
    expect(counter?.calls).toBe(3)
  })
})

test('the projection of a running period goes on as it began', async () => {
  const subscription = await seedSubscription(database.db, {
    startsAt: new Date(Date.now() - 10 * DAY),
    endsAt: new Date(Date.now() + 20 * DAY),
  })
  await queue(calls(subscription, 50))
  await worker.drain()
  const projection = async () => {
    const { periodId } = subscription
    const [row] = await database.db
      .select()
      .from(usageProjections)
      .where(eq(usageProjections.billingPeriodId, periodId))
    return row?.units
  }
  await usageRollupJob(database).run(clock.now())
  expect(await projection()).toBe(150)
  await usageRollupJob(database).run(new Date(Date.now() + 5 * DAY))
  expect(await projection()).toBe(100)
})
