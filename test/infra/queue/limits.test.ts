import { expect, test } from 'vitest'
import { deadLetters, eventClaims, events } from '#db/schema/queue'
import { Discard, type Outcome, publish, publishMany, Snooze } from '#infra/queue'
import { eventually } from '#test/poll'
import { AT_ONCE, otherHappened, thingHappened, useQueue } from './support/queue'

const queue = useQueue()
const RETRY = { ...AT_ONCE, maxAttempts: 3 }

test('T17: a poisonous event fails alone in a batch whose handler tells each outcome', async () => {
  await queue.publishNumbers(50)
  const worker = queue
    .worker()
    .onBatch(
      thingHappened,
      async (batch): Promise<Outcome[]> =>
        batch.map(({ payload }) =>
          payload.n === 13 ? { ok: false, error: new Error('poison') } : { ok: true },
        ),
      { retry: RETRY },
    )
  expect(await worker.drain()).toMatchObject({ done: 49, retried: 2, dead: 1 })
  expect(await queue.db.select().from(deadLetters)).toMatchObject([{ payload: { n: 13 } }])
})

test('T17: a batch that throws is tried again one by one, so only the poisonous event dies', async () => {
  await queue.publishNumbers(20)
  const sizes: number[] = []
  const worker = queue.worker().onBatch(
    thingHappened,
    async (batch) => {
      sizes.push(batch.length)
      if (batch.some(({ payload }) => payload.n === 13)) throw new Error('poison')
    },
    { retry: RETRY },
  )
  expect(await worker.drain()).toMatchObject({ done: 19, dead: 1 })
  expect(sizes[0]).toBe(20)
  expect(sizes.slice(1).every((size) => size === 1)).toBe(true)
})

test('an outcome for too few events fails the rest', async () => {
  await queue.publishNumbers(2)
  const worker = queue.worker().onBatch(thingHappened, async () => [{ ok: true }], {
    retry: { baseMs: 60_000, capMs: 60_000 },
  })
  expect(await worker.runOnce()).toMatchObject({ done: 1, retried: 1 })
})

test('T17: a handler that hangs fails at its time-out, is told so, and dies in the end', async () => {
  await queue.publishNumbers(1)
  const told: unknown[] = []
  const worker = queue
    .worker()
    .on(
      thingHappened,
      (_, { signal }) =>
        new Promise<void>(() =>
          signal.addEventListener('abort', () => told.push((signal.reason as Error).name)),
        ),
      { timeoutMs: 20, retry: { ...AT_ONCE, maxAttempts: 2 } },
    )
  expect(await worker.drain()).toMatchObject({ claimed: 2, retried: 1, dead: 1 })
  expect(told).toEqual(['HandlerTimeout', 'HandlerTimeout'])
  const [letter] = await queue.db.select().from(deadLetters)
  expect(letter?.errors.map(({ message }) => message)).toEqual(
    Array(2).fill('HandlerTimeout: not done within 20 ms'),
  )
})

test('a snoozed event comes again without an attempt or an error counted', async () => {
  await queue.publishNumbers(1)
  let snoozes = 5
  const attempts: number[] = []
  const worker = queue.worker().on(thingHappened, async (_, { event }) => {
    attempts.push(event.attempts)
    if (snoozes-- > 0) throw new Snooze(0)
  })
  expect(await worker.drain()).toMatchObject({ snoozed: 5, done: 1, retried: 0 })
  expect(attempts).toEqual([1, 1, 1, 1, 1, 1])
})

test('a discarded event of a batch dies with its reason', async () => {
  await queue.publishNumbers(2)
  const worker = queue
    .worker()
    .onBatch(thingHappened, async (batch) =>
      batch.map(
        ({ payload }): Outcome =>
          payload.n === 0 ? { ok: false, error: new Discard('unwanted') } : { ok: true },
      ),
    )
  expect(await worker.drain()).toMatchObject({ done: 1, dead: 1 })
  expect(await queue.db.select().from(deadLetters)).toMatchObject([
    { reason: 'unwanted', attempts: 1 },
  ])
})

test('a slow type neither exceeds its concurrency nor holds up another', async () => {
  let running = 0
  let most = 0
  let open = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  const seen: number[] = []
  const worker = queue
    .worker()
    .on(
      thingHappened,
      async () => {
        most = Math.max(most, ++running)
        await gate
        running--
      },
      { concurrency: 3 },
    )
    .on(otherHappened, async ({ n }) => void seen.push(n))
  await worker.start()
  await queue.publishNumbers(50)
  await eventually(() => running === 3, 'the slow handlers')
  for (let n = 0; n < 20; n++) await publish(queue.db, otherHappened, { n })
  await eventually(() => seen.length === 20, 'the fast type')
  expect(most).toBe(3)
  open()
  await eventually(async () => (await queue.waiting()) === 0, 'the slow type')
  expect(most).toBe(3)
  await worker.stop()
})

test('a backlog of many batches is handled to its end, so many at once as allowed', async () => {
  await queue.publishNumbers(105)
  let running = 0
  let most = 0
  const sizes: number[] = []
  const worker = queue.worker({ pollMs: 3_600_000 }).onBatch(
    thingHappened,
    async (batch) => {
      most = Math.max(most, ++running)
      sizes.push(batch.length)
      await Bun.sleep(1)
      running--
    },
    { batchSize: 10, concurrency: 2 },
  )
  await worker.start()
  await eventually(async () => (await queue.waiting()) === 0, 'the end of the backlog')
  await worker.stop()
  expect(sizes).toEqual([...Array(10).fill(10), 5])
  expect(most).toBe(2)
})

test('a worker that stops finishes what runs and gives back the rest untouched', async () => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  let begun = 0
  const worker = queue.worker().on(
    thingHappened,
    async () => {
      begun++
      await gate
    },
    { concurrency: 2 },
  )
  await queue.publishNumbers(30)
  await worker.start()
  await eventually(() => begun === 2, 'the first handlers')
  const stopped = worker.stop()
  open()
  await stopped
  expect(begun).toBe(2)
  const left = await queue.db.select().from(events)
  expect(left.length).toBe(28)
  expect(left.every(({ attempts, claimToken }) => attempts === 0 && claimToken === null)).toBe(true)
  expect(await queue.db.$count(eventClaims)).toBe(0)
})

test('T17: retries are forgotten when an event is done: three failures, then none', async () => {
  await publishMany(queue.db, thingHappened, [{ payload: { n: 1 } }])
  let failures = 3
  const worker = queue.worker().on(
    thingHappened,
    async () => {
      if (failures-- > 0) throw new Error('not yet')
    },
    { retry: { ...AT_ONCE, maxAttempts: 4 } },
  )
  expect(await worker.drain()).toMatchObject({ retried: 3, done: 1, dead: 0 })
})
