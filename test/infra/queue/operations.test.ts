import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { deadLetters, eventCounts, events } from '#db/schema/queue'
import { systemClock } from '#infra/clock'
import {
  addDeadLetters,
  cancel,
  cleanup,
  countUnfinished,
  Discard,
  getEvent,
  listDeadLetters,
  listEvents,
  publish,
  publishMany,
  redrive,
  StatsReader,
} from '#infra/queue'
import { mergeCounts } from '../../../src/infra/queue/counts'
import { AT_ONCE, otherHappened, thingHappened, useQueue } from './support/queue'

const queue = useQueue()
const FIRST_PAGE = { limit: 2, after: null }

/** A worker whose handlers all fail, and the events dead after one attempt. */
const failing = () =>
  queue.worker().on(
    thingHappened,
    async () => {
      throw new Error('no')
    },
    { retry: { maxAttempts: 1 } },
  )

describe('T18: replay', () => {
  test('twice is once; failing again is one dead letter with all errors, under the same id', async () => {
    const id = await publish(queue.db, thingHappened, { n: 1 }, { dedupeKey: 'one', priority: 4 })
    await failing().drain()
    const [letter] = await queue.db.select().from(deadLetters)
    expect(letter).toMatchObject({ eventId: id, priority: 4, dedupeKey: 'one' })
    const both = await Promise.all([redrive(queue.db, {}), redrive(queue.db, {})])
    expect(both.flatMap(({ events }) => events)).toEqual([id])
    expect((await redrive(queue.db, {})).events).toEqual([])
    expect(await publish(queue.db, thingHappened, { n: 2 }, { dedupeKey: 'one' })).toBeNull()
    const [waiting] = await queue.db.select().from(events)
    expect(waiting).toMatchObject({ id, attempts: 0, rank: -4, createdAt: letter?.firstAt })
    await failing().drain()
    const letters = await queue.db.select().from(deadLetters)
    expect(letters.length).toBe(1)
    expect(letters[0]).toMatchObject({ id: letter?.id, eventId: id })
    expect(letters[0]?.errors.length).toBe(2)
  })

  test('by id, by type and by time; a dry run only counts', async () => {
    await queue.publishNumbers(3)
    await failing().drain()
    const letter = { type: otherHappened.name, payload: { n: 1 }, reason: 'refused' }
    await addDeadLetters(queue.db, [{ ...letter, originId: 'part-1' }], systemClock)
    const at = new Date('2020-01-01T00:00:00Z')
    await queue.db.update(deadLetters).set({ createdAt: at }).where(sql`payload->>'n' = '2'`)
    const dryRun = { dryRun: true }
    expect(await redrive(queue.db, {}, dryRun)).toEqual({ matched: 4, events: [], kept: 0 })
    expect(await redrive(queue.db, { type: thingHappened.name }, dryRun)).toMatchObject({
      matched: 3,
    })
    const untilThen = { from: at, to: new Date(at.getTime() + 1) }
    expect(await redrive(queue.db, untilThen)).toMatchObject({ matched: 1 })
    const [one] = (await listDeadLetters(queue.db, { type: thingHappened.name }, FIRST_PAGE)).items
    expect(await redrive(queue.db, { ids: one ? [one.id] : [] })).toMatchObject({ matched: 1 })
    expect(await queue.waiting()).toBe(2)
    expect(await redrive(queue.db, { type: otherHappened.name })).toMatchObject({ matched: 1 })
    expect(await queue.db.$count(deadLetters)).toBe(1)
  })

  test('a letter whose dedupe key is taken by now stays', async () => {
    await publish(queue.db, thingHappened, { n: 1 }, { dedupeKey: 'one' })
    await failing().drain()
    await publish(queue.db, thingHappened, { n: 2 }, { dedupeKey: 'one' })
    expect(await redrive(queue.db, {})).toEqual({ matched: 1, events: [], kept: 1 })
    expect(await queue.db.$count(deadLetters)).toBe(1)
  })

  test('a part of an event that dies, is replayed and dies again is one dead letter', async () => {
    const part = { type: thingHappened.name, originId: 'call-1', payload: { n: 1 }, reason: 'bad' }
    const bury = () => addDeadLetters(queue.db, [part], systemClock)
    await bury()
    await bury()
    await redrive(queue.db, {})
    await bury()
    await failing().drain()
    expect(await queue.db.$count(deadLetters)).toBe(1)
    expect(await queue.waiting()).toBe(0)
  })
})

describe('cancelling and cleaning up', () => {
  test('an event that waits is cancelled and kept, one that runs or is unknown is not', async () => {
    const id = await publish(queue.db, thingHappened, { n: 1 }, { delayMs: 60_000 })
    const running = await publish(queue.db, otherHappened, { n: 2 })
    if (!id || !running) throw new Error('not published')
    const attempts: string[] = []
    await queue
      .worker()
      .on(otherHappened, async () => void attempts.push(await cancel(queue.db, running)))
      .drain()
    expect(attempts).toEqual(['running'])
    expect(await cancel(queue.db, id)).toBe('cancelled')
    expect(await cancel(queue.db, id)).toBe('unknown')
    expect(await getEvent(queue.db, id)).toMatchObject({ state: 'cancelled', payload: { n: 1 } })
    expect(await queue.waiting()).toBe(0)
  })

  test('the history goes by whole days; a dry run says which', async () => {
    const id = await publish(queue.db, thingHappened, { n: 1 })
    if (id) await cancel(queue.db, id)
    await queue.db.execute(sql`create table event_history_20200101 partition of event_history
      for values from ('2020-01-01Z') to ('2020-01-02Z')`)
    const limit = new Date('2020-01-02T00:00:00Z')
    expect(await cleanup(queue.db, new Date(limit.getTime() - 1))).toEqual([])
    expect(await cleanup(queue.db, limit, { dryRun: true })).toEqual(['2020-01-01'])
    expect(await cleanup(queue.db, limit)).toEqual(['2020-01-01'])
    expect(await cleanup(queue.db, limit)).toEqual([])
    expect(id && (await getEvent(queue.db, id))).toMatchObject({ state: 'cancelled' })
  })
})

/** Ten events, some in every state: see the names of the fields. */
async function oneInEveryState(): Promise<void> {
  for (let n = 0; n < 3; n++) await publish(queue.db, thingHappened, { n }, { delayMs: 60_000 })
  await publish(queue.db, otherHappened, { n: 0 })
  await queue
    .worker({ random: () => 0.5 })
    .on(
      otherHappened,
      async () => {
        throw new Error('no')
      },
      { retry: { baseMs: 3_600_000, capMs: 3_600_000 } },
    )
    .drain()
  await queue.publishNumbers(2)
}

test('T22: events are listed by state and type, page by page', async () => {
  await oneInEveryState()
  const list = async (filter: Parameters<typeof listEvents>[1]) =>
    (await listEvents(queue.db, filter, { limit: 50, after: null })).items.map(({ state }) => state)
  expect((await list({})).toSorted()).toEqual([
    ...['ready', 'ready', 'retrying', 'scheduled', 'scheduled', 'scheduled'],
  ])
  expect(await list({ state: 'ready' })).toEqual(['ready', 'ready'])
  expect(await list({ type: otherHappened.name })).toEqual(['retrying'])
  expect(await list({ state: 'running' })).toEqual([])
  const { decodeCursor } = await import('#lib/page')
  const seen = new Set<string>()
  let after = null
  for (let page = 0; page < 3; page++) {
    const { items, nextCursor } = await listEvents(queue.db, {}, { limit: 2, after })
    for (const { id } of items) seen.add(id)
    after = nextCursor === null ? null : decodeCursor(nextCursor)
  }
  expect(seen.size).toBe(6)
  expect(after).toBeNull()
})

test('a page looks at so many events; a filter that few pass makes it short, not slow', async () => {
  await oneInEveryState()
  const { decodeCursor } = await import('#lib/page')
  const states: string[] = []
  let after = null
  let pages = 0
  do {
    const page = { limit: 10, after }
    const { items, nextCursor } = await listEvents(queue.db, { state: 'retrying' }, page, 2)
    states.push(...items.map(({ state }) => state))
    after = nextCursor === null ? null : decodeCursor(nextCursor)
    pages++
  } while (after !== null)
  expect(states).toEqual(['retrying'])
  // Six events, two a look; that the third was the last is only known after a fourth.
  expect(pages).toBe(4)
})

test('T22: the statistics are what the tables hold, and are shared while they are fresh', async () => {
  await oneInEveryState()
  const reader = new StatsReader(queue.database.sql)
  const [stats, same] = await Promise.all([reader.read(), reader.read()])
  expect(same).toBe(stats)
  expect(stats.types).toMatchObject([
    { type: otherHappened.name, ready: 0, scheduled: 0, running: 0, retrying: 1 },
    { type: thingHappened.name, ready: 2, scheduled: 3, running: 0, retrying: 0 },
  ])
  expect(stats.types[1]?.oldestReadyMs).toBeGreaterThanOrEqual(0)
  expect(stats).toMatchObject({ inFlightPastLease: 0, deadLetters: { count: 0, oldestAt: null } })
  await queue.publishNumbers(5)
  expect(await reader.read()).toBe(stats)
})

test('T22: what is not over is known without looking, whatever became of it', async () => {
  const known = () => countUnfinished(queue.db, thingHappened.name)
  const keyed = { payload: { n: 100 }, dedupeKey: 'k', dedupeWindowMs: 60_000 }
  await oneInEveryState()
  for (let time = 0; time < 3; time++) await publishMany(queue.db, thingHappened, [keyed, keyed])
  await queue.db.transaction(async (tx) => {
    await publishMany(tx, thingHappened, [{ payload: { n: 7 } }])
    await cancel(tx, (await publish(tx, thingHappened, { n: 8 }, { orderingKey: 'o' })) ?? 'evt_')
  })
  const undone = queue.db.transaction(async (tx) => {
    await publish(tx, thingHappened, { n: 9 })
    throw new Error('undone')
  })
  await expect(undone).rejects.toThrow('undone')
  const before = await queue.waiting()
  expect(await known()).toBe(before - 1)
  const stats = await new StatsReader(queue.database.sql).read()
  expect(stats.types.at(-1)).toMatchObject({ type: thingHappened.name, deduplicated: 5 })
  const worker = queue.worker().on(
    thingHappened,
    async ({ n }) => {
      if (n === 7) throw new Discard('no')
    },
    { retry: AT_ONCE },
  )
  await worker.drain()
  expect(await known()).toBe(3)
  await redrive(queue.db, {})
  expect(await known()).toBe(4)
  await mergeCounts(queue.database.sql)
  expect(await known()).toBe(4)
  const rows = await queue.db.select().from(eventCounts).orderBy(eventCounts.type)
  expect(rows).toEqual([
    { type: otherHappened.name, waiting: 1, deduped: 0 },
    { type: thingHappened.name, waiting: 4, deduped: 5 },
  ])
})

test('T22: what runs, what is overdue, what died and how fast, as it is', async () => {
  await queue.publishNumbers(4)
  const read = () => new StatsReader(queue.database.sql).read()
  const during = Promise.withResolvers<Awaited<ReturnType<typeof read>>>()
  const worker = queue.worker().on(
    thingHappened,
    async ({ n }) => {
      if (n === 0) await queue.expireLeases().then(read).then(during.resolve)
      await during.promise
      if (n === 1) throw new Error('no')
    },
    { retry: { maxAttempts: 1 } },
  )
  expect(await worker.runOnce()).toMatchObject({ done: 3, dead: 1 })
  await worker.stop()
  expect(await during.promise).toMatchObject({
    types: [{ running: 4, ready: 0 }],
    inFlightPastLease: 4,
  })
  await queue.db.execute(sql`update event_rates set minute = minute - interval '1 minute'`)
  const after = await read()
  expect(after.deadLetters.count).toBe(1)
  expect(after.types).toMatchObject([
    { type: thingHappened.name, ready: 0, running: 0, perMinute: { done: 0.6, dead: 0.2 } },
  ])
})
