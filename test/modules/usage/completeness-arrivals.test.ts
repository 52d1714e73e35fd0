import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { usageArrivals } from '#db/schema/usage-completeness'
import { toRanges } from '#lib/sequence-range'
import { CompletenessService, UsageService } from '#modules/usage'
import { TestClock } from '#test/clock'
import { freshDatabase, type TestDatabase } from '#test/database'
import { markArrived, selectArrivals } from '../../../src/modules/usage/completeness-repository'

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())
beforeEach(() => database.db.delete(usageArrivals))

const event = (gatewayId: string, sequence: number) => ({ gatewayId, sequence })

/** As Postgres writes it. */
const received = async () => {
  const rows = await database.db.select().from(usageArrivals)
  return Object.fromEntries(rows.map((row) => [row.gatewayId, row.received]))
}
const written = (numbers: number[]) =>
  `{${toRanges(numbers).map(({ first, last }) => `[${first},${last + 1})`)}}`

test('in whatever order and however often batches come, the same numbers have arrived', async () => {
  const gateways = ['a', 'b', 'c']
  const oneEvent = fc.tuple(fc.constantFrom(...gateways), fc.integer({ min: 1, max: 40 }))
  const batches = fc.array(fc.array(oneEvent, { minLength: 1, maxLength: 12 }), { minLength: 1 })
  const shuffled = batches.chain((some) =>
    fc.tuple(
      fc.constant(some),
      fc.shuffledSubarray([...some, ...some], { minLength: some.length * 2 }),
    ),
  )
  await fc.assert(
    fc.asyncProperty(shuffled, async ([once, again]) => {
      await database.db.delete(usageArrivals)
      // All at the same time: they must neither lose an update nor wait for each other in a circle.
      await Promise.all(
        again.map((batch) =>
          database.db.transaction((tx) =>
            markArrived(
              tx,
              batch.map(([gatewayId, sequence]) => event(gatewayId, sequence)),
              [],
            ),
          ),
        ),
      )
      const expected: Record<string, string> = {}
      for (const gateway of gateways) {
        const numbers = once.flat().flatMap(([of, sequence]) => (of === gateway ? [sequence] : []))
        if (numbers.length > 0) expected[gateway] = written(numbers)
      }
      expect(await received()).toEqual(expected)
    }),
    { numRuns: 30 },
  )
})

test('what is missing lies below the highest, from 1 on', async () => {
  const of = (numbers: number[]) => numbers.map((sequence) => event('a', sequence))
  await markArrived(database.db, of([3, 4, 9, 7]), [])
  await markArrived(database.db, [event('b', 1)], [])
  expect(await selectArrivals(database.db)).toMatchObject([
    {
      gatewayId: 'a',
      highest: 9,
      missing: [
        { first: 1, last: 2 },
        { first: 5, last: 6 },
        { first: 8, last: 8 },
      ],
    },
    { gatewayId: 'b', highest: 1, missing: [] },
  ])
})

test('the mark commits with the batch: rejected events have arrived too, unreadable ones cannot', async () => {
  const clock = new TestClock()
  const service = new UsageService(database, clock, 1_000_000)
  const at = new Date(clock.now().getTime() - 60_000)
  const call = (sequence: unknown, change = {}) => ({
    ...{ id: randomUUID(), gatewayId: 'a', sequence, keyId: 'key_AbCdEfGhIjK1', method: 'GET' },
    ...{ path: '/', status: 200, durationMs: 1, requestBytes: 0, responseBytes: 0 },
    ...{ at: at.toISOString(), ...change },
  })
  const receipt = await service.receive([
    ...[call(1), call(2, { method: 'GET /' }), call(3, { at: '2020-01-01T00:00:00.000Z' })],
    ...[call('4'), call(0), call(1.5), call(6, { gatewayId: 'No Name' })],
  ])
  expect(receipt).toMatchObject({ accepted: 1 })
  expect(receipt.rejected).toHaveLength(6)
  expect(await received()).toEqual({ a: '{[1,4)}' })
  expect(await selectArrivals(database.db)).toMatchObject([{ lastEventAt: at }])

  const completeness = new CompletenessService(database, clock)
  expect(await completeness.overview()).toMatchObject({ waitingBatches: 1 })

  await database.sql`alter table usage_arrivals add constraint refuse check (upper(received) < 5)`
  const events = sql`select count(*)::int as count from events`
  const [before] = await database.db.execute(events)
  await expect(service.receive([call(9)])).rejects.toThrow()
  expect(await database.db.execute(events)).toEqual([before])
  await database.sql`alter table usage_arrivals drop constraint refuse`
})
