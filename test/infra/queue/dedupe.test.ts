import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { eventHistory, events } from '#db/schema/queue'
import { defineEvent, getEvent, publish, publishMany } from '#infra/queue'
import { removeExpired } from '../../../src/infra/queue/upkeep'
import { thingHappened, useQueue } from './support/queue'

const queue = useQueue()
const worker = () => queue.worker().on(thingHappened, async () => undefined)
const endWindows = () =>
  queue.db.execute(sql`update events set done_until = now() - interval '1 second'`)

test('a dedupe key stays taken for its window after the event is done', async () => {
  const options = { dedupeKey: 'one', dedupeWindowMs: 60_000 }
  const again = () => publish(queue.db, thingHappened, { n: 1 }, options)
  const first = await again()
  expect(first).toMatch(/^evt_/)
  expect(await worker().drain()).toMatchObject({ done: 1 })
  expect(await again()).toBeNull()
  expect(await worker().drain()).toMatchObject({ claimed: 0 })
  expect(first && (await getEvent(queue.db, first))).toBeNull()
  await endWindows()
  const second = await again()
  expect(second).toMatch(/^evt_/)
  expect(second).not.toBe(first)
  expect(await worker().drain()).toMatchObject({ done: 1 })
})

test('a window that is over is cleared away', async () => {
  await publish(queue.db, thingHappened, { n: 1 }, { dedupeKey: 'one', dedupeWindowMs: 60_000 })
  await worker().drain()
  await removeExpired(queue.database.sql)
  expect(await queue.waiting()).toBe(1)
  await endWindows()
  await removeExpired(queue.database.sql)
  expect(await queue.waiting()).toBe(0)
})

test('of a bulk with the same key the first is added, those without a key all are', async () => {
  const ids = await publishMany(queue.db, thingHappened, [
    { payload: { n: 1 }, dedupeKey: 'one' },
    { payload: { n: 2 } },
    { payload: { n: 3 }, dedupeKey: 'one' },
    { payload: { n: 4 } },
  ])
  expect(ids.length).toBe(3)
  const rows = await queue.db.select({ payload: events.payload }).from(events)
  expect(rows.map(({ payload }) => (payload as { n: number }).n).sort()).toEqual([1, 2, 4])
})

test('bulks with the same keys in any order neither deadlock nor double', async () => {
  const keys = Array.from({ length: 50 }, (_, n) => n)
  const bulks = Array.from({ length: 8 }, () =>
    publishMany(
      queue.db,
      thingHappened,
      keys
        .toSorted(() => Math.random() - 0.5)
        .map((n) => ({ payload: { n }, dedupeKey: `key-${n}` })),
    ),
  )
  const added = await Promise.all(bulks)
  expect(added.flat().length).toBe(50)
  expect(await queue.waiting()).toBe(50)
})

test('a type with a history keeps what is done, window or not', async () => {
  const kept = defineEvent('kept.happened', z.object({ n: z.int() }), { history: true })
  const id = await publish(queue.db, kept, { n: 1 })
  await publish(queue.db, kept, { n: 2 }, { dedupeKey: 'two', dedupeWindowMs: 60_000, priority: 3 })
  await queue
    .worker()
    .on(kept, async () => undefined)
    .drain()
  const rows = await queue.db.select().from(eventHistory).orderBy(eventHistory.createdAt)
  expect(rows.map(({ payload, state, priority }) => ({ payload, state, priority }))).toEqual(
    expect.arrayContaining([
      { payload: { n: 1 }, state: 'done', priority: 0 },
      { payload: { n: 2 }, state: 'done', priority: 3 },
    ]),
  )
  expect(id && (await getEvent(queue.db, id))).toMatchObject({ state: 'done', payload: { n: 1 } })
})
