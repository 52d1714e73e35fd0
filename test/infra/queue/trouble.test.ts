import { randomUUID } from 'node:crypto'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { eventRates } from '#db/schema/queue'
import { cancel, listEvents, publish } from '#infra/queue'
import { decodeCursor } from '#lib/page'
import { eventually } from '#test/poll'
import { Rates } from '../../../src/infra/queue/rates'
import { thingHappened, useQueue } from './support/queue'

const queue = useQueue()

beforeAll(async () => {
  // While there is a row in `blocked`, no event can be taken off the queue.
  await queue.database.sql`create table blocked ()`
  await queue.database
    .sql`create function refuse_while_blocked() returns trigger language plpgsql as $$
    begin
      if exists (select from blocked) then raise exception 'blocked'; end if;
      return old;
    end $$`
  await queue.database.sql`create trigger refuse_while_blocked before delete on events
    for each row execute function refuse_while_blocked()`
})

const block = () => queue.database.sql`insert into blocked default values`
const unblock = async () => void (await queue.database.sql`delete from blocked`)
afterEach(unblock)

test('a handler whose claim is taken over is told so while it runs', async () => {
  await queue.publishNumbers(1)
  let reason: unknown
  const worker = queue.worker({ leaseMs: 150 }).on(thingHappened, async (_, { signal }) => {
    await queue.database.sql`delete from event_claims`
    await eventually(() => signal.aborted, 'the news that the claim is lost')
    reason = signal.reason
  })
  await worker.runOnce()
  expect(reason).toMatchObject({ message: 'the claim was lost' })
})

test('a result that cannot be written is tried again: the handler runs once', async () => {
  await queue.publishNumbers(1)
  await block()
  let runs = 0
  const worker = queue.worker().on(thingHappened, async () => {
    runs++
    setTimeout(() => void unblock(), 150)
  })
  expect(await worker.runOnce()).toMatchObject({ done: 1 })
  expect([runs, await queue.waiting()]).toEqual([1, 0])
})

test('one that cannot be written for as long as a lease lasts is left to its end: the event runs again', async () => {
  await queue.publishNumbers(1)
  await block()
  let runs = 0
  const worker = queue.worker({ leaseMs: 200, pollMs: 50 }).on(thingHappened, async () => {
    runs++
  })
  expect(await worker.runOnce()).toMatchObject({ claimed: 1, done: 0 })
  await unblock()
  await eventually(async () => (await worker.runOnce()).done === 1, 'the second run')
  expect([runs, await queue.waiting()]).toEqual([2, 0])
})

test('rates that cannot be written are counted in the next time', async () => {
  const { sql } = queue.database
  const rates = new Rates(sql, randomUUID())
  const settlement = { done: 3, retried: 2, dead: 1, snoozed: 0, released: 0, lost: 0 }
  rates.add(thingHappened.name, settlement)
  await sql`alter table event_rates rename to event_rates_away`
  await expect(rates.flush()).rejects.toThrow('event_rates')
  await sql`alter table event_rates_away rename to event_rates`
  rates.add(thingHappened.name, settlement)
  await rates.flush()
  await rates.flush()
  const [sums] = await queue.db.select().from(eventRates)
  expect(sums).toMatchObject({ type: thingHappened.name, done: 6, retried: 4, dead: 2 })
})

test('what was cancelled is listed page by page, so many rows looked at', async () => {
  for (let n = 0; n < 5; n++) {
    const id = await publish(queue.db, thingHappened, { n })
    await cancel(queue.db, id ?? 'evt_')
  }
  const seen: number[] = []
  let after = null
  do {
    const filter = { state: 'cancelled', type: thingHappened.name } as const
    const { items, nextCursor } = await listEvents(queue.db, filter, { limit: 3, after }, 2)
    for (const { payload } of items) seen.push((payload as { n: number }).n)
    after = nextCursor === null ? null : decodeCursor(nextCursor)
  } while (after !== null)
  expect(seen).toEqual([4, 3, 2, 1, 0])
  const none = { state: 'cancelled', type: 'other.happened' } as const
  const { items } = await listEvents(queue.db, none, { limit: 3, after: null })
  expect(items).toEqual([])
})
