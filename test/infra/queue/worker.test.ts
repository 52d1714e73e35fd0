import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { deadLetters, eventClaims, events } from '#db/schema/queue'
import { createLogger } from '#infra/logger'
import {
  Discard,
  defineEvent,
  publish,
  publishMany,
  Worker,
  type WorkerOptions,
} from '#infra/queue'
import { freshDatabase, type TestDatabase } from '#test/database'
import { eventually } from '#test/poll'

const thingHappened = defineEvent('thing.happened', z.object({ n: z.int() }))
const logger = createLogger('silent')
const AT_ONCE = { retry: { baseMs: 0, capMs: 0 } }

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())
beforeEach(async () => {
  await database.db.delete(events)
  await database.db.delete(eventClaims)
  await database.db.delete(deadLetters)
})

const newWorker = (options: Partial<WorkerOptions> = {}) =>
  new Worker({ database, logger, random: () => 0, ...options })

const publishNumbers = (count: number) =>
  publishMany(
    database.db,
    thingHappened,
    Array.from({ length: count }, (_, n) => ({ payload: { n } })),
  )

const expireLeases = () =>
  database.db.execute(sql`update event_claims set leased_until = now() - interval '1 second'`)

describe('publishing', () => {
  test('an event exists only when its transaction commits', async () => {
    const failed = database.db.transaction(async (tx) => {
      await publish(tx, thingHappened, { n: 1 })
      throw new Error('changed my mind')
    })
    await expect(failed).rejects.toThrow('changed my mind')
    expect(await database.db.$count(events)).toBe(0)
  })

  test('a payload of another shape is refused', async () => {
    await expect(publish(database.db, thingHappened, { n: 1.5 })).rejects.toThrow()
    expect(await database.db.$count(events)).toBe(0)
  })

  test('a dedupe key is taken while its event waits, and free when it is done', async () => {
    const once = () => publish(database.db, thingHappened, { n: 1 }, { dedupeKey: 'one' })
    expect(await once()).toMatch(/^evt_/)
    expect(await once()).toBeNull()
    await newWorker()
      .on(thingHappened, async () => undefined)
      .drain()
    expect(await once()).toMatch(/^evt_/)
  })

  test('a delayed event is not taken before its time', async () => {
    await publish(database.db, thingHappened, { n: 1 }, { delayMs: 3_600_000 })
    const worker = newWorker().on(thingHappened, async () => undefined)
    expect(await worker.runOnce()).toMatchObject({ claimed: 0 })
    await database.db.execute(sql`update events set run_at = run_at - interval '61 minutes'`)
    expect(await worker.runOnce()).toMatchObject({ claimed: 1, done: 1 })
  })

  test('higher priority goes first', async () => {
    const order: number[] = []
    await publish(database.db, thingHappened, { n: 1 })
    await publish(database.db, thingHappened, { n: 2 }, { priority: 5 })
    await newWorker({ batchSize: 1 })
      .on(thingHappened, async ({ n }) => void order.push(n))
      .drain()
    expect(order).toEqual([2, 1])
  })
})

describe('claiming', () => {
  test('workers side by side never take the same event twice', async () => {
    await publishNumbers(500)
    const seen: number[] = []
    const workers = Array.from({ length: 4 }, () =>
      newWorker({ batchSize: 7 }).on(thingHappened, async ({ n }) => void seen.push(n)),
    )
    // One may find all that is left locked by the others and stop early: then these have it.
    const counts = await Promise.all(workers.map((worker) => worker.drain()))
    expect(counts.reduce((sum, { done }) => sum + done, 0)).toBe(500)
    expect(seen.length).toBe(500)
    expect(new Set(seen).size).toBe(500)
  })

  test('events of a dead worker are taken over when the lease ends, and the late one changes nothing', async () => {
    await publishNumbers(1)
    let finishLate = () => {}
    const late = newWorker({ leaseMs: 3_600_000 }).on(
      thingHappened,
      () => new Promise<void>((resolve) => (finishLate = resolve)),
    )
    const lateRound = late.runOnce()
    await eventually(
      async () => (await database.db.select().from(events))[0]?.attempts === 1,
      'claim',
    )
    const next = newWorker().on(thingHappened, async () => {
      throw new Error('not yet')
    })
    expect(await next.runOnce()).toMatchObject({ claimed: 0 })
    await expireLeases()
    expect(await next.runOnce()).toMatchObject({ claimed: 1, retried: 1 })
    finishLate()
    expect(await lateRound).toMatchObject({ claimed: 1, done: 0, lost: 1 })
    const [event] = await database.db.select().from(events)
    expect(event).toMatchObject({ attempts: 2, claimToken: null })
  })

  test('a heartbeat keeps the lease of a slow handler', async () => {
    await publishNumbers(1)
    let finish = () => {}
    const slow = newWorker({ leaseMs: 600 }).on(
      thingHappened,
      () => new Promise<void>((resolve) => (finish = resolve)),
    )
    const round = slow.runOnce()
    const leaseEnd = async () => (await database.db.select().from(eventClaims))[0]?.leasedUntil
    await eventually(async () => (await leaseEnd()) != null, 'claim')
    const first = (await leaseEnd())?.getTime() ?? 0
    await eventually(async () => ((await leaseEnd())?.getTime() ?? 0) > first + 600, 'heartbeat')
    finish()
    expect(await round).toMatchObject({ done: 1, lost: 0 })
  })
})

describe('failing', () => {
  test('a failed event comes back with its error kept, and is done when it succeeds', async () => {
    await publishNumbers(1)
    let failures = 2
    const worker = newWorker().on(
      thingHappened,
      async () => {
        if (failures-- > 0) throw new Error('away', { cause: new Error('connection refused') })
      },
      AT_ONCE,
    )
    expect(await worker.runOnce()).toMatchObject({ retried: 1 })
    const [event] = await database.db.select().from(events)
    expect(event?.errors).toEqual([
      { at: expect.any(String), message: 'Error: away ← Error: connection refused' },
    ])
    expect(await worker.drain()).toMatchObject({ retried: 1, done: 1 })
    expect(await database.db.$count(events)).toBe(0)
  })

  test('a poisonous event dies alone with all its errors, its neighbours are done', async () => {
    await publishNumbers(20)
    const done: number[] = []
    const worker = newWorker({ batchSize: 20 }).on(
      thingHappened,
      async ({ n }) => {
        if (n === 13) throw new Error('poison')
        done.push(n)
      },
      { retry: { ...AT_ONCE.retry, maxAttempts: 3 } },
    )
    expect(await worker.drain()).toMatchObject({ done: 19, retried: 2, dead: 1 })
    expect(done.length).toBe(19)
    const [letter, ...others] = await database.db.select().from(deadLetters)
    expect(others).toEqual([])
    expect(letter).toMatchObject({ type: 'thing.happened', payload: { n: 13 }, attempts: 3 })
    expect(letter?.reason).toContain('poison')
    expect(letter?.errors.length).toBe(3)
    expect(await database.db.$count(events)).toBe(0)
  })

  test('a discarded event and one of another shape die at once', async () => {
    await publishNumbers(1)
    await database.db.execute(sql`
      insert into events (id, type, payload, run_at)
      values (${randomUUID()}, 'thing.happened', '{"n":"one"}', now())`)
    const worker = newWorker().on(thingHappened, async () => {
      throw new Discard('nobody wants it')
    })
    expect(await worker.drain()).toMatchObject({ claimed: 2, dead: 2 })
    const letters = await database.db.select().from(deadLetters)
    expect(letters.map(({ reason }) => reason).sort()).toEqual([
      'nobody wants it',
      'the payload does not have the shape of its event',
    ])
  })

  test('an event that kills its worker dies in the end, and takes no neighbour along', async () => {
    await publishNumbers(5)
    const retry = { retry: { ...AT_ONCE.retry, maxAttempts: 2 } }
    let crash = () => {}
    // A worker that never comes back is a killed one: its claims just stay until the lease ends.
    const dieOnce = async (kill: number) => {
      const died = new Promise<void>((resolve) => (crash = resolve))
      const doomed = newWorker().on(
        thingHappened,
        ({ n }) => (n === kill ? new Promise<void>(() => crash()) : Promise.resolve()),
        retry,
      )
      void doomed.drain()
      await died
      await expireLeases()
    }
    await dieOnce(3)
    await dieOnce(3)
    const worker = newWorker().on(thingHappened, async () => undefined, retry)
    expect(await worker.drain()).toMatchObject({ dead: 1, lost: 0 })
    const letters = await database.db.select().from(deadLetters)
    expect(letters.map(({ payload }) => payload)).toEqual([{ n: 3 }])
    expect(await database.db.$count(events)).toBe(0)
  })
})

describe('the loop', () => {
  test('wakes at a commit long before its poll, and stops after its work', async () => {
    const seen: number[] = []
    const worker = newWorker({ pollMs: 3_600_000 }).on(
      thingHappened,
      async ({ n }) => void seen.push(n),
    )
    await worker.start()
    await publishNumbers(25)
    await eventually(() => seen.length === 25, 'all events handled')
    await publish(database.db, thingHappened, { n: 25 })
    await eventually(() => seen.length === 26, 'the last event handled')
    await worker.stop()
    expect(await database.db.$count(events)).toBe(0)
    await publish(database.db, thingHappened, { n: 26 })
    expect(await database.db.$count(events)).toBe(1)
  })
})
