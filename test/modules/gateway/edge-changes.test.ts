import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Db } from '#db/client'
import { apiKeys } from '#db/schema/keys'
import { pricingModels } from '#db/schema/pricing'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import { usageCounters } from '#db/schema/usage'
import { createLogger } from '#infra/logger'
import { generateApiKey } from '#lib/api-key'
import { freshDatabase, type TestDatabase } from '#test/database'
import { eventually } from '#test/poll'
import { type SeededSubscription, seedPlan, seedSubscription } from '#test/seed'
import { Authorizer } from '../../../src/modules/gateway/authorize'
import { EdgeLoader } from '../../../src/modules/gateway/edge-loader'
import { EdgeState } from '../../../src/modules/gateway/edge-state'
import { passes } from './authorize-fixture'

type Terms = Partial<typeof pricingModels.$inferInsert>

let database: TestDatabase
let db: Db
const stops: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  database = await freshDatabase()
  db = database.db
})
afterAll(async () => {
  for (const stop of stops) await stop()
  await database.drop()
})

/** A subscription to a plan of these terms, with a key that can be used. */
async function subscription(terms: Terms) {
  const seeded = await seedSubscription(db)
  const { id, hash, key } = generateApiKey(randomBytes)
  const secretHash = Buffer.from(hash)
  await db.update(pricingModels).set(terms).where(eq(pricingModels.id, seeded.planId))
  const { quotaLimit = null } = terms
  await db.update(billingPeriods).set({ quotaLimit }).where(eq(billingPeriods.id, seeded.periodId))
  const named = { id: `key_${id}`, secretHash } as const
  await db.update(apiKeys).set(named).where(eq(apiKeys.id, seeded.keyId))
  return { ...seeded, key }
}

/** An edge of its own with what is in the database. */
async function startEdge() {
  const state = new EdgeState()
  const loader = new EdgeLoader(database.sql, state, createLogger('error'))
  await loader.start()
  stops.push(() => loader.stop())
  const authorizer = new Authorizer(state)
  return {
    call: (of: { key: string; apiId: string }) =>
      authorizer.authorize({ key: of.key, apiId: of.apiId }, Date.now()),
    /** Whether the ledger has shown all calls that it let through. */
    isSettled: () => state.inFlightPeriods().length === 0,
  }
}

/** Puts the subscription on another version of its plan. */
async function move({ subscriptionId, apiId, periodId }: SeededSubscription, terms: Terms) {
  const planId = await seedPlan(db, apiId)
  await db.update(pricingModels).set(terms).where(eq(pricingModels.id, planId))
  await db.transaction(async (tx) => {
    const change = { pricingModelId: planId }
    const { quotaLimit = null } = terms
    await tx
      .update(billingPeriods)
      .set({ ...change, quotaLimit })
      .where(eq(billingPeriods.id, periodId))
    await tx.update(apiSubscriptions).set(change).where(eq(apiSubscriptions.id, subscriptionId))
  })
}

/** What the ledger shows from now on. */
async function count({ subscriptionId, periodId }: SeededSubscription, calls: number) {
  await db
    .insert(usageCounters)
    .values({ subscriptionId, billingPeriodId: periodId, calls, errors: 0, units: calls })
    .onConflictDoUpdate({
      target: [usageCounters.subscriptionId, usageCounters.billingPeriodId],
      set: { calls, units: calls },
    })
}

test('another plan is in force within a second: rate limits and quota', async () => {
  const perKey = (limit: number) => [{ per: 'key', limit, window: 'day' }] as const
  const of = await subscription({ rateLimits: [...perKey(2)], quotaLimit: 100 })
  const { call } = await startEdge()
  passes(() => call(of), 3)
  expect(call(of)).toMatchObject({ code: 'rate_limited' })
  await move(of, { rateLimits: [...perKey(10)], quotaLimit: 5 })
  await eventually(() => call(of).rateLimitPolicy.includes('"quota";q=5;'), 'the change', 1_000)
  passes(() => call(of), 9)
  expect(call(of)).toMatchObject({ code: 'quota_exhausted' })
})

test('a part of a cycle has its own quota; what is overdue, part of the rate limits', async () => {
  const rateLimits = [{ per: 'subscription', limit: 10, window: 'day' }] as const
  const of = await subscription({ rateLimits: [...rateLimits], quotaLimit: 100 })
  const { call } = await startEdge()
  expect(call(of).rateLimitPolicy).toMatch(/^"subscription";q=10;w=86400, "quota";q=100;/)
  await db.transaction(async (tx) => {
    await tx
      .update(billingPeriods)
      .set({ quotaLimit: 33 })
      .where(eq(billingPeriods.id, of.periodId))
    await tx
      .update(apiSubscriptions)
      .set({ rateLimitPercent: 25 })
      .where(eq(apiSubscriptions.id, of.subscriptionId))
  })
  const policy = /^"subscription";q=2;w=86400, "quota";q=33;/
  await eventually(() => policy.test(call(of).rateLimitPolicy), 'the change', 1_000)
})

test('a trial passes nothing beyond its quota, on a plan whose quota is soft', async () => {
  const of = await subscription({ quotaLimit: 3, quotaHard: false })
  await db.update(billingPeriods).set({ kind: 'trial' }).where(eq(billingPeriods.id, of.periodId))
  const { call } = await startEdge()
  expect(passes(() => call(of), 9)).toBe(3)
})

test('two edges oversell a hard quota by no more than the other let through unseen, and only once', async () => {
  const of = await subscription({ quotaLimit: 50, quotaHard: true })
  const [one, two] = [await startEdge(), await startEdge()]
  expect(passes(() => one.call(of), 20) + passes(() => two.call(of), 20)).toBe(40)
  await count(of, 40)
  for (const edge of [one, two]) await eventually(edge.isSettled, 'the count of both', 3_000)

  const unseen = passes(() => two.call(of), 99)
  expect(unseen).toBe(10)
  const sold = 40 + unseen + passes(() => one.call(of), 99)
  expect(sold).toBe(50 + unseen)
  await count(of, sold)
  for (const edge of [one, two]) {
    await eventually(edge.isSettled, 'the last count', 3_000)
    expect(passes(() => edge.call(of), 99)).toBe(0)
  }
})
