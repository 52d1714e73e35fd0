import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { deadLetters, events } from '#db/schema/queue'
import { cancel, publish, publishMany, redrive } from '#infra/queue'
import { eventually } from '#test/poll'
import { setSuccessorsAside } from '../../../src/infra/queue/ordering'
import { AT_ONCE, otherHappened, thingHappened, useQueue } from './support/queue'

const queue = useQueue()

test('events of a key run in order and never two at once, under two workers, with failures', async () => {
  const KEYS = 5
  const EACH = 20
  for (let n = 0; n < EACH; n++) {
    await publishMany(
      queue.db,
      thingHappened,
      Array.from({ length: KEYS }, (_, key) => ({
        payload: { n: key * 1_000 + n },
        orderingKey: `key-${key}`,
      })),
    )
  }
  const done = new Map<number, number[]>()
  const running = new Set<number>()
  const overlaps: number[] = []
  const failing = new Set([3, 1_007, 2_000])
  const handle = async ({ n }: { n: number }) => {
    const key = Math.floor(n / 1_000)
    if (running.has(key)) overlaps.push(n)
    running.add(key)
    await Bun.sleep(1)
    running.delete(key)
    if (failing.delete(n)) throw new Error('once')
    done.set(key, [...(done.get(key) ?? []), n % 1_000])
  }
  const workers = [1, 2].map(() =>
    queue.worker({ pollMs: 50 }).on(thingHappened, handle, { retry: AT_ONCE }),
  )
  await Promise.all(workers.map((worker) => worker.start()))
  await eventually(async () => (await queue.waiting()) === 0, 'all events')
  await Promise.all(workers.map((worker) => worker.stop()))
  expect(overlaps).toEqual([])
  expect([...done.keys()].sort()).toEqual([0, 1, 2, 3, 4])
  for (const order of done.values())
    expect(order).toEqual(Array.from({ length: EACH }, (_, n) => n))
})

test('one that is put off holds those behind it, of other types too; one that dies lets them go', async () => {
  const seen: string[] = []
  const worker = queue
    .worker()
    .on(
      thingHappened,
      async ({ n }) => {
        seen.push(`thing ${n}`)
        if (n === 1) throw new Error('no')
      },
      { retry: { baseMs: 7_200_000, capMs: 7_200_000, maxAttempts: 2 } },
    )
    .on(otherHappened, async ({ n }) => void seen.push(`other ${n}`))
  const orderingKey = 'one'
  await publish(queue.db, thingHappened, { n: 1 }, { orderingKey })
  await publish(queue.db, otherHappened, { n: 2 }, { orderingKey, priority: 9 })
  await publish(queue.db, otherHappened, { n: 3 }, { orderingKey: 'two' })
  const slow = queue.worker({ random: () => 0.5 })
  slow.on(
    thingHappened,
    async () => {
      throw new Error('no')
    },
    { retry: { baseMs: 7_200_000, capMs: 7_200_000 } },
  )
  expect(await slow.runOnce()).toMatchObject({ retried: 1 })
  await worker.drain()
  expect(seen).toEqual(['other 3'])
  await queue.db.execute(sql`update events set run_at = now() where type = 'thing.happened'`)
  await worker.drain()
  expect(await queue.db.$count(deadLetters)).toBe(1)
  expect(seen).toEqual(['other 3', 'thing 1', 'other 2'])
})

test('one put aside is freed when the one before it is done, cancelled or dead', async () => {
  const orderingKey = 'one'
  const first = await publish(queue.db, thingHappened, { n: 1 }, { orderingKey, delayMs: 60_000 })
  for (const n of [2, 3, 4]) await publish(queue.db, thingHappened, { n }, { orderingKey })
  await setSuccessorsAside(queue.database.queue, thingHappened.name)
  const aside = () => queue.db.$count(events, sql`run_at = 'infinity'`)
  expect(await aside()).toBe(3)
  const seen: number[] = []
  const worker = queue.worker().on(
    thingHappened,
    async ({ n }) => {
      seen.push(n)
      if (n === 3) throw new Error('dies')
    },
    { retry: { maxAttempts: 1 } },
  )
  expect(await worker.drain()).toMatchObject({ claimed: 0 })
  expect(first && (await cancel(queue.db, first))).toBe('cancelled')
  expect(await worker.drain()).toMatchObject({ done: 2, dead: 1 })
  expect(seen).toEqual([2, 3, 4])
})

test('nothing is put aside behind one that is just being finished: nobody would free it any more', async () => {
  const orderingKey = 'one'
  await publish(queue.db, thingHappened, { n: 1 }, { orderingKey })
  await publish(queue.db, thingHappened, { n: 2 }, { orderingKey })
  await queue.database.sql.begin(async (finishing) => {
    await finishing`delete from events where payload->>'n' = '1'`
    await setSuccessorsAside(queue.database.queue, thingHappened.name)
  })
  const worker = queue.worker().on(thingHappened, async () => undefined)
  expect(await worker.drain()).toMatchObject({ done: 1 })
})

test('T18: replayed, an event goes to the end of its order', async () => {
  const orderingKey = 'one'
  let poison = true
  const seen: number[] = []
  const worker = queue.worker().on(
    thingHappened,
    async ({ n }) => {
      if (n === 1 && poison) throw new Error('no')
      seen.push(n)
    },
    { retry: { maxAttempts: 1 } },
  )
  await publish(queue.db, thingHappened, { n: 1 }, { orderingKey })
  await worker.drain()
  poison = false
  await publish(queue.db, thingHappened, { n: 2 }, { orderingKey })
  expect(await redrive(queue.db, {})).toMatchObject({ matched: 1, kept: 0 })
  await worker.drain()
  expect(seen).toEqual([2, 1])
})

test('the clock of the app does not order anything: the database does', async () => {
  const { vi } = await import('vitest')
  const seen: number[] = []
  const worker = queue
    .worker()
    .on(thingHappened, async ({ n }) => void seen.push(n), { concurrency: 1 })
  try {
    for (const [n, hours] of [1, -1, 0].entries()) {
      vi.useFakeTimers({
        toFake: ['Date'],
        now: performance.timeOrigin + performance.now() + hours * 3_600_000,
      })
      await publish(queue.db, thingHappened, { n }, { orderingKey: 'one' })
      await publish(queue.db, thingHappened, { n: 100 }, { delayMs: 1_800_000 })
      await publish(queue.db, thingHappened, { n: 10 + n })
      expect(await worker.drain()).toMatchObject({ done: 2 })
    }
  } finally {
    vi.useRealTimers()
  }
  expect(seen.filter((n) => n < 10)).toEqual([0, 1, 2])
  expect(await queue.waiting()).toBe(3)
})
