import { randomBytes } from 'node:crypto'
import type { Db } from '#db/client'
import * as schema from '#db/schema/index'
import type { StatusRange } from '#db/schema/pricing'
import { systemClock } from '#infra/clock'
import { type Id, newId } from '#lib/id'

const DAY_MS = 86_400_000
const word = () => randomBytes(5).toString('hex')
const keyId = (): Id<'key'> => `key_${randomBytes(6).toString('hex')}`

/** A consumer's subscription with everything that it needs to exist. */
export interface SeededSubscription {
  ownerId: Id<'usr'>
  userId: Id<'usr'>
  apiId: Id<'api'>
  planId: Id<'plan'>
  subscriptionId: Id<'sub'>
  periodId: Id<'per'>
  keyId: Id<'key'>
}

export interface SeedOptions {
  userId?: Id<'usr'>
  billableStatuses?: StatusRange[]
  /** The one billing period; 40 days before to 20 days after now unless stated. */
  startsAt?: Date
  endsAt?: Date
  status?: schema.SubscriptionStatus
}

export async function seedUser(db: Db, roles: ('consumer' | 'provider' | 'admin')[]) {
  const id = newId('usr', systemClock)
  await db.insert(schema.users).values({ id, email: `${word()}@test.local`, name: 'Test', roles })
  return id
}

export async function seedApi(db: Db, ownerId: Id<'usr'>) {
  const id = newId('api', systemClock)
  await db.insert(schema.apis).values({
    ...{ id, ownerId, slug: `api-${word()}`, name: 'Weather', status: 'published' },
    upstreamUrl: 'http://127.0.0.1:9',
  })
  return id
}

export async function seedPlan(db: Db, apiId: Id<'api'>, billableStatuses?: StatusRange[]) {
  const id = newId('plan', systemClock)
  await db.insert(schema.pricingModels).values({
    ...{ id, apiId, slug: `plan-${word()}`, name: 'Pay as you go', type: 'usage_based' },
    ...{ currency: 'EUR', billingCycle: 'monthly' },
    billableStatuses: billableStatuses ?? [{ from: 200, to: 399 }],
  })
  return id
}

export async function seedPeriod(
  db: Db,
  of: { subscriptionId: Id<'sub'>; planId: Id<'plan'> },
  [startsAt, endsAt]: [Date, Date],
  ordinal = 0,
) {
  const id = newId('per', systemClock)
  const { subscriptionId, planId: pricingModelId } = of
  await db.insert(schema.billingPeriods).values({
    ...{ id, subscriptionId, pricingModelId, ordinal, cycleIndex: ordinal, flatFee: 0n },
    ...{ startsAt, endsAt, cycleStartsAt: startsAt, cycleEndsAt: endsAt },
  })
  return id
}

export async function seedKey(db: Db, of: { subscriptionId: Id<'sub'>; apiId: Id<'api'> }) {
  const id = keyId()
  await db.insert(schema.apiKeys).values({
    ...{ id, subscriptionId: of.subscriptionId, apiId: of.apiId, name: 'default' },
    ...{ secretHash: randomBytes(32), lastFour: '0000', status: 'active' },
  })
  return id
}

/** Provider, API, plan, consumer, subscription, one billing period and one active key. */
export async function seedSubscription(
  db: Db,
  options: SeedOptions = {},
): Promise<SeededSubscription> {
  const now = Date.now()
  const startsAt = options.startsAt ?? new Date(now - 40 * DAY_MS)
  const endsAt = options.endsAt ?? new Date(now + 20 * DAY_MS)
  const ownerId = await seedUser(db, ['provider'])
  const userId = options.userId ?? (await seedUser(db, ['consumer']))
  const apiId = await seedApi(db, ownerId)
  const planId = await seedPlan(db, apiId, options.billableStatuses)
  const subscriptionId = newId('sub', systemClock)
  await db.insert(schema.apiSubscriptions).values({
    ...{ id: subscriptionId, userId, apiId, pricingModelId: planId },
    ...{ status: options.status ?? 'active', anchorAt: startsAt },
  })
  const periodId = await seedPeriod(db, { subscriptionId, planId }, [startsAt, endsAt])
  const key = await seedKey(db, { subscriptionId, apiId })
  return { ownerId, userId, apiId, planId, subscriptionId, periodId, keyId: key }
}
