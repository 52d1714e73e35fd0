import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { z } from 'zod'
import {
  deadLetters,
  eventClaims,
  eventCounts,
  eventHistory,
  eventRates,
  events,
} from '#db/schema/queue'
import { createLogger } from '#infra/logger'
import { defineEvent, publishMany, Worker, type WorkerOptions } from '#infra/queue'
import { freshDatabase, type TestDatabase } from '#test/database'

export const thingHappened = defineEvent('thing.happened', z.object({ n: z.int() }))
export const otherHappened = defineEvent('other.happened', z.object({ n: z.int() }))
export const AT_ONCE = { baseMs: 0, capMs: 0 }
export const logger = createLogger('silent')

/** A database for the file, emptied before each test. */
export function useQueue() {
  let database: TestDatabase
  beforeAll(async () => {
    database = await freshDatabase()
  })
  afterAll(() => database.drop())
  beforeEach(async () => {
    for (const table of [
      ...[events, eventClaims, eventCounts, eventHistory, eventRates, deadLetters],
    ]) {
      await database.db.delete(table)
    }
  })
  return {
    get database() {
      return database
    },
    get db() {
      return database.db
    },
    worker: (options: Partial<WorkerOptions> = {}) =>
      new Worker({ database, logger, random: () => 0, ...options }),
    publishNumbers: (count: number) =>
      publishMany(
        database.db,
        thingHappened,
        Array.from({ length: count }, (_, n) => ({ payload: { n } })),
      ),
    waiting: () => database.db.$count(events),
    expireLeases: () =>
      database.db.execute(sql`update event_claims set leased_until = now() - interval '1 second'`),
  }
}
