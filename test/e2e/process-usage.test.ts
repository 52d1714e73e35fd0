import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Database } from '#db/client'
import { events as queueEvents } from '#db/schema/queue'
import { eventually } from '#test/poll'
import { VeilProcess } from '#test/process'
import { seedSubscription } from '#test/seed'
import { makeCall } from '../modules/usage/make-call'

const TOKEN = 'a-machine-token-of-at-least-32-characters'
let veil: VeilProcess
let database: Database

beforeAll(async () => {
  veil = await VeilProcess.start({ environment: { USAGE_TOKENS: TOKEN } })
  const { VEIL_DATA_DIR: folder = '', POSTGRES_PORT: port } = veil.place.environment
  const password = readFileSync(join(folder, 'postgres.password'), 'utf8').trim()
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  database = connect({ url, maxConnections: 4 })
})
afterAll(async () => {
  await database.close()
  await veil.dispose()
})

test('T20 Postgres killed while calls come in and are booked: every call with a 2xx is counted, once', async () => {
  const { keyId } = await seedSubscription(database.db)
  const acknowledged = new Set<string>()
  let isOver = false
  const posters = [1, 2, 3, 4].map(async () => {
    while (!isOver) {
      const events = Array.from({ length: 100 }, () => makeCall(keyId))
      const answer = await fetch(`${veil.url}/usage/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ events }),
      })
      if (answer.status === 202) for (const { id } of events) acknowledged.add(id)
    }
  })
  for (let kill = 0; kill < 2; kill++) {
    const enough = acknowledged.size + 2_000
    await eventually(() => acknowledged.size > enough, 'calls that were taken', 20_000)
    await veil.replaceChild('postgres')
  }
  isOver = true
  await Promise.all(posters)
  const waiting = () => database.db.$count(queueEvents).catch(() => -1)
  await eventually(async () => (await waiting()) === 0, 'the end of the queue', 25_000)
  const recorded = await database.sql<{ id: string }[]>`select id from usage_records`
  const ids = new Set(recorded.map(({ id }) => id))
  expect([...acknowledged].filter((id) => !ids.has(id))).toEqual([])
  const [sums] = await database.sql`
    select (select sum(calls)::int from usage_counters) as counted,
      (select sum(calls)::int from api_usage_analytics) as keys,
      (select sum(calls)::int from api_operation_analytics) as operations`
  expect(sums).toEqual({ counted: ids.size, keys: ids.size, operations: ids.size })
})
