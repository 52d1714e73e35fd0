import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { deadLetters, eventClaims, events } from '#db/schema/queue'
import { countUnfinished, publish } from '#infra/queue'
import { eventually } from '#test/poll'
import { AT_ONCE, thingHappened, useQueue } from './support/queue'
import { kill, useWorkerProcesses } from './support/worker-processes'

const queue = useQueue()
const processes = useWorkerProcesses(queue)

beforeAll(async () => {
  await queue.database.sql`create table processed (event_id text primary key)`
  await queue.database.sql`create table total (sum bigint not null)`
  await queue.database.sql`create table gate ()`
})
afterEach(async () => {
  await queue.database.sql`truncate processed, total, gate`
})

const processedCount = async () => (await queue.database.sql`select from processed`).length

test('T15: every event three times, with workers killed at random: counted once each', async () => {
  await queue.database.sql`insert into total values (0)`
  await queue.publishNumbers(400)
  const plan = { handler: 'count', leaseMs: 300, maxAttempts: 1_000 } as const
  const workers = [processes.start(plan), processes.start(plan)]
  for (let round = 0; round < 5; round++) {
    const before = await processedCount()
    await eventually(
      async () => (await processedCount()) > before || (await queue.waiting()) === 0,
      'progress before the next kill',
    )
    await sleep(Math.random() * 50)
    const victim = round % 2
    await kill(workers[victim] as ChildProcess)
    workers[victim] = processes.start(plan)
  }
  await eventually(async () => (await queue.waiting()) === 0, 'the end of all events', 20_000)
  const [total] = await queue.database.sql<{ sum: string }[]>`select sum from total`
  expect(Number(total?.sum)).toBe((399 * 400) / 2)
  expect(await processedCount()).toBe(400)
  expect(await queue.db.$count(deadLetters)).toBe(0)
  expect(await countUnfinished(queue.db, thingHappened.name)).toBe(0)
})

test.each([
  [0, 'completes'],
  [1, 'fails'],
  [2, 'gives up'],
])(
  'T16: a worker that was stopped past its lease changes nothing about the newer attempt (%i: it %s)',
  async (n) => {
    await publish(queue.db, thingHappened, { n })
    const late = processes.start({ handler: 'hold', leaseMs: 500, maxAttempts: 5 })
    await eventually(async () => (await processedCount()) === 1, 'the start of the handler')
    late.kill('SIGSTOP')
    const next = queue.worker().on(
      thingHappened,
      async () => {
        throw new Error('the newer attempt')
      },
      { retry: { baseMs: 3_600_000, capMs: 3_600_000 } },
    )
    await eventually(async () => (await next.runOnce()).retried === 1, 'the newer attempt')
    const before = await queue.db.select().from(events)
    await queue.database.sql`insert into gate default values`
    let said = ''
    late.stdout?.on('data', (text) => {
      said += text
    })
    const exited = once(late, 'exit')
    late.kill('SIGCONT')
    await exited
    expect(JSON.parse(said)).toEqual({ lost: 1, settled: 0 })
    expect(await queue.db.select().from(events)).toEqual(before)
    expect(before).toMatchObject([{ attempts: 2, crashes: 1, claimToken: null }])
    expect(await queue.db.$count(eventClaims)).toBe(0)
    expect(await queue.db.$count(deadLetters)).toBe(0)
  },
)

test('T17: an event that ends its process dies after its attempts, its neighbours are all processed', async () => {
  await queue.publishNumbers(30)
  const plan = { handler: 'exit', leaseMs: 200, maxAttempts: 3 } as const
  let starts = 0
  let worker = processes.start(plan)
  await eventually(
    async () => {
      if (worker.exitCode !== null) {
        starts++
        worker = processes.start(plan)
      }
      return (await queue.waiting()) === 0
    },
    'an empty queue',
    25_000,
  )
  expect(starts).toBe(3)
  expect(await processedCount()).toBe(29)
  const letters = await queue.db.select().from(deadLetters)
  expect(letters).toMatchObject([{ payload: { n: 13 }, attempts: 3 }])
  expect(letters[0]?.reason).toBe('the worker died during the last attempt')
})

test('T17: killed halfway, an event is done by the next worker', async () => {
  await queue.publishNumbers(1)
  const doomed = processes.start({ handler: 'hold', leaseMs: 200, maxAttempts: 5 })
  await eventually(async () => (await processedCount()) === 1, 'the start of the handler')
  await kill(doomed)
  const attempts: number[] = []
  const next = queue
    .worker()
    .on(thingHappened, async (_, { event }) => void attempts.push(event.attempts), {
      retry: AT_ONCE,
    })
  await eventually(async () => (await next.runOnce()).done === 1, 'the second attempt')
  expect(attempts).toEqual([2])
})
