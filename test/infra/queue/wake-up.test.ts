import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { afterCommit, connect, type Database } from '#db/client'
import { publish, publishMany } from '#infra/queue'
import { eventually } from '#test/poll'
import { thingHappened, useQueue } from './support/queue'

const queue = useQueue()
const HOUR_MS = 3_600_000

describe('after commit', () => {
  const told: string[] = []
  const tell = (word: string) => () => void told.push(word)

  test('hooks run when all is committed, and those of a rolled back savepoint never', async () => {
    told.length = 0
    await queue.db.transaction(async (tx) => {
      afterCommit(tx, tell('outer'))
      await tx.transaction(async (inner) => {
        afterCommit(inner, tell('inner'))
        await inner.transaction(async (innermost) => afterCommit(innermost, tell('innermost')))
      })
      await tx
        .transaction(async (inner) => {
          afterCommit(inner, tell('undone'))
          throw new Error('undo')
        })
        .catch(() => undefined)
      expect(told).toEqual([])
    })
    expect(told).toEqual(['outer', 'inner', 'innermost'])
    afterCommit(queue.db, tell('at once'))
    expect(told.at(-1)).toBe('at once')
  })

  test('a transaction that is rolled back runs none', async () => {
    told.length = 0
    const failed = queue.db.transaction(async (tx) => {
      await tx.transaction(async (inner) => afterCommit(inner, tell('inner')))
      throw new Error('undo')
    })
    await expect(failed).rejects.toThrow('undo')
    expect(told).toEqual([])
  })
})

/** A worker that nothing but a wake-up makes look. */
async function sleepingWorker(database: Database = queue.database) {
  const seen: number[] = []
  const worker = queue
    .worker({ database, pollMs: HOUR_MS })
    .on(thingHappened, async ({ n }) => void seen.push(n))
  await worker.start()
  return { seen, worker }
}

test('a committed event wakes the worker of its own process and that of another', async () => {
  const elsewhere = connect({ url: queue.database.url, maxConnections: 6 })
  for (const database of [queue.database, elsewhere]) {
    const { seen, worker } = await sleepingWorker(database)
    await queue.db.transaction((tx) => publish(tx, thingHappened, { n: 1 }))
    await eventually(() => seen.length === 1, 'the first event')
    await publish(queue.db, thingHappened, { n: 2 })
    await eventually(() => seen.length === 2, 'the second event')
    await worker.stop()
  }
  await elsewhere.close()
})

test('a burst of commits is drained after few notifications', async () => {
  const elsewhere = connect({ url: queue.database.url, maxConnections: 6 })
  const { seen, worker } = await sleepingWorker(elsewhere)
  let heard = 0
  const listening = await queue.database.sql.listen('veil_queue', () => void heard++)
  await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      queue.db.transaction((tx) => publish(tx, thingHappened, { n })),
    ),
  )
  await eventually(() => seen.length === 200, 'all events')
  expect(heard).toBeLessThan(150)
  await listening.unlisten()
  await worker.stop()
  await elsewhere.close()
})

test('an event whose notification was lost is found by polling, as is one that was put off', async () => {
  const seen: number[] = []
  const worker = queue.worker({ pollMs: 50 }).on(thingHappened, async ({ n }) => void seen.push(n))
  await worker.start()
  await queue.database.sql`insert into events (id, type, payload, run_at)
    values (${randomUUID()}, ${thingHappened.name}, '{"n":1}', now())`
  await eventually(() => seen.includes(1), 'the event that nobody told of')
  await publish(queue.db, thingHappened, { n: 2 }, { delayMs: 100 })
  await eventually(() => seen.includes(2), 'the event that was put off')
  await worker.stop()
})

test('T21: with a snapshot held open, late commits, higher priorities and retries are all found', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const snapshot = queue.database.sql.begin('isolation level repeatable read', async (tx) => {
    await tx`select count(*) from events`
    await held
  })
  const seen = new Set<number>()
  let failures = 20
  const worker = queue.worker({ pollMs: 50, batchSize: 200 }).on(
    thingHappened,
    async ({ n }) => {
      if (n % 50 === 7 && failures-- > 0) throw new Error('once more')
      seen.add(n)
    },
    { retry: { baseMs: 20, capMs: 20 } },
  )
  await worker.start()
  const numbers = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) => ({ payload: { n: from + n } }))
  for (let wave = 0; wave < 5; wave++) {
    const from = wave * 1_000
    await queue.db.transaction(async (tx) => {
      await publishMany(tx, thingHappened, numbers(from, 100))
      await publishMany(queue.db, thingHappened, numbers(from + 100, 800))
      await eventually(() => seen.has(from + 899), 'those committed meanwhile')
    })
    await publish(queue.db, thingHappened, { n: from + 900 }, { priority: 5 })
    await publish(queue.db, thingHappened, { n: from + 901 }, { priority: -5 })
  }
  await eventually(() => seen.size === 5 * 902, 'every event')
  await eventually(async () => (await queue.waiting()) === 0, 'an empty queue')
  await worker.stop()
  release()
  await snapshot
})
