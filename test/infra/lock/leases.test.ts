import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LeaseLost, Leases } from '#infra/lock'
import { freshDatabase, type TestDatabase } from '#test/database'

let database: TestDatabase
let leases: Leases
beforeAll(async () => {
  database = await freshDatabase()
  leases = new Leases(database.db)
})
afterAll(() => database.drop())

const expire = (name: string) =>
  database.db.execute(
    sql`update leases set expires_at = now() - interval '1 second' where name = ${name}`,
  )

test('of many at once one gets the lease', async () => {
  const taken = await Promise.all(Array.from({ length: 20 }, () => leases.acquire('race', 60_000)))
  expect(taken.filter(Boolean).length).toBe(1)
})

test('a released lease is free, and its token grows', async () => {
  const first = await leases.acquire('grow', 60_000)
  expect(first?.token).toBe(1)
  await leases.release(first!)
  expect((await leases.acquire('grow', 60_000))?.token).toBe(2)
})

test('T12: one that ran out is taken over; the late holder can neither renew, release nor commit', async () => {
  const late = (await leases.acquire('late', 60_000))!
  expect(await leases.renew(late)).toBe(true)
  await expire('late')
  const next = (await leases.acquire('late', 60_000))!
  expect(next.token).toBe(late.token + 1)
  expect(await leases.renew(late)).toBe(false)
  await leases.release(late)
  expect(await leases.acquire('late', 60_000)).toBeNull()
  const commit = database.db.transaction((tx) => leases.assertHeld(tx, late))
  await expect(commit).rejects.toThrow(LeaseLost)
  await database.db.transaction((tx) => leases.assertHeld(tx, next))
})

test('work under a lease is told when it was lost', async () => {
  const work = leases.withLease('work', 90, async (_, signal) => {
    await database.db.execute(sql`update leases set token = token + 1 where name = 'work'`)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    return 'finished'
  })
  await expect(work).rejects.toThrow(LeaseLost)
})

test('work under a lease that is held elsewhere does not begin', async () => {
  const held = (await leases.acquire('busy', 60_000))!
  expect(await leases.withLease('busy', 60_000, async () => 1)).toBeNull()
  await leases.release(held)
  expect(await leases.withLease('busy', 60_000, async () => 1)).toEqual({ result: 1 })
  expect(await leases.acquire('busy', 60_000)).not.toBeNull()
})
