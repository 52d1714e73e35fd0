import { and, arrayContains, eq, notInArray } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Db } from '#db/client'
import { apis } from '#db/schema/catalog'
import { users } from '#db/schema/identity'
import { apiKeys } from '#db/schema/keys'
import { pricingModels } from '#db/schema/pricing'
import { apiSubscriptions } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'

/** Somebody who can be told: their account is active. */
export interface Person {
  userId: Id<'usr'>
  email: string
  name: string
}

/** Those who are concerned, each for another reason. */
export type Side = 'consumers' | 'providers' | 'admins'

/** What happened, as webhooks tell it and mails are made of, and who is concerned. */
export type News<F> = { facts: F } & Partial<Record<Side, Person[]>>

const person = { userId: users.id, email: users.email, name: users.name }
const isActive = eq(users.status, 'active')

/** Those who have a live subscription to an API. */
export function subscribersOf(db: Db, apiId: Id<'api'>): Promise<Person[]> {
  return db
    .selectDistinct(person)
    .from(apiSubscriptions)
    .innerJoin(users, eq(users.id, apiSubscriptions.userId))
    .where(
      and(
        eq(apiSubscriptions.apiId, apiId),
        notInArray(apiSubscriptions.status, ['cancelled', 'expired']),
        isActive,
      ),
    )
}

export function personOf(db: Db, userId: Id<'usr'>): Promise<Person[]> {
  return db
    .select(person)
    .from(users)
    .where(and(eq(users.id, userId), isActive))
}

/** Those who run the marketplace. */
export function admins(db: Db): Promise<Person[]> {
  return db
    .select(person)
    .from(users)
    .where(and(arrayContains(users.roles, ['admin']), isActive))
}

const consumers = alias(users, 'consumers')
const providers = alias(users, 'providers')

/** News of a subscription; null when there is none of this id. */
export async function newsOfSubscription(db: Db, id: Id<'sub'>) {
  const [row] = await db
    .select({
      subscription: { id: apiSubscriptions.id },
      api: { id: apis.id, slug: apis.slug, name: apis.name },
      plan: { id: pricingModels.id, slug: pricingModels.slug, name: pricingModels.name },
      consumer: consumers,
      provider: providers,
    })
    .from(apiSubscriptions)
    .innerJoin(apis, eq(apis.id, apiSubscriptions.apiId))
    .innerJoin(pricingModels, eq(pricingModels.id, apiSubscriptions.pricingModelId))
    .innerJoin(consumers, eq(consumers.id, apiSubscriptions.userId))
    .innerJoin(providers, eq(providers.id, apis.ownerId))
    .where(eq(apiSubscriptions.id, id))
  if (!row) return null
  const { consumer, provider, ...facts } = row
  return { facts, consumers: active(consumer), providers: active(provider) }
}

const active = ({ id, email, name, status }: typeof users.$inferSelect): Person[] =>
  status === 'active' ? [{ userId: id, email, name }] : []

/** News of a key; null when there is none of this id. */
export async function newsOfKey(db: Db, id: Id<'key'>) {
  const { subscriptionId, ...columns } = {
    ...{ id: apiKeys.id, name: apiKeys.name, lastFour: apiKeys.lastFour },
    subscriptionId: apiKeys.subscriptionId,
  }
  const [row] = await db
    .select({ key: columns, subscriptionId })
    .from(apiKeys)
    .where(eq(apiKeys.id, id))
  const news = row && (await newsOfSubscription(db, row.subscriptionId))
  if (!news) return null
  const { subscription, api } = news.facts
  return { ...news, facts: { key: row.key, subscription, api } }
}
