import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensurePartitions } from '#db/migrate'
import { TestClock } from '#test/clock'
import { freshDatabase, type TestDatabase } from '#test/database'

let database: TestDatabase
const fresh = 'uuidv7()'

beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

/** SQLSTATE of what the row is refused for; null when it is taken. */
async function refused(table: string, row: Record<string, string>): Promise<string | null> {
  const [names, values] = [Object.keys(row).join(', '), Object.values(row).join(', ')]
  try {
    await database.sql.unsafe(`insert into ${table} (${names}) values (${values})`)
    return null
  } catch (error) {
    return (error as { code: string }).code
  }
}

const DAY_MS = 86_400_000
const place = async (at: Date) => {
  const row = {
    ...{ subscription_id: fresh, at: `'${at.toISOString()}'`, id: fresh, gateway_id: "'g'" },
    ...{ sequence: '1', api_id: fresh, key_id: "'abcdefghijkl'", billing_period_id: fresh },
    ...{ method: "'GET'", path: "'/'", status: '200', duration_ms: '1', request_bytes: '1' },
    ...{ response_bytes: '1', billable: 'true', units: '1' },
  }
  return refused('usage_records', row)
}
const placeRollup = async (hour: Date) =>
  refused('api_usage_analytics', {
    ...{ subscription_id: fresh, hour: `'${hour.toISOString()}'`, key_id: "'abcdefghijkl'" },
    ...{ api_id: fresh, calls: '1', errors: '0', units: '1', duration_ms: '1' },
    ...{ request_bytes: '1', response_bytes: '1' },
  })

test('stand ready for every instant from 36 days ago to 31 days ahead', async () => {
  const now = Date.now()
  for (let days = -36; days <= 31; days++) {
    expect(await place(new Date(now + days * DAY_MS))).toBeNull()
    expect(await placeRollup(new Date(now + days * DAY_MS))).toBeNull()
  }
  expect(await place(new Date(now - 60 * DAY_MS))).toBe('23514')
  expect(await place(new Date(now + 60 * DAY_MS))).toBe('23514')
})

test('made by several at once are made once', async () => {
  const clock = new TestClock()
  clock.advance(365 * DAY_MS)
  const all = Array.from({ length: 4 }, () => ensurePartitions(database.sql, clock))
  await expect(Promise.all(all)).resolves.toBeDefined()
})

test('made again are the same; as time goes on, later ones are added', async () => {
  const count = async () => {
    const [row] =
      await database.sql`select count(*)::int as n from pg_class where relispartition and relkind = 'r'`
    return row?.n
  }
  const before = await count()
  const clock = new TestClock()
  await ensurePartitions(database.sql, clock)
  expect(await count()).toBe(before)
  clock.advance(60 * DAY_MS)
  await ensurePartitions(database.sql, clock)
  const grown = await count()
  await ensurePartitions(database.sql, clock)
  expect(await count()).toBe(grown)
  expect(await count()).toBeGreaterThan(before)
  expect(await place(new Date(clock.now().getTime() + 31 * DAY_MS))).toBeNull()
})
