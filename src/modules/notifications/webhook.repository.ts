import { and, arrayContains, count, desc, eq, inArray, isNull, lt, ne, or, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { users } from '#db/schema/identity'
import { webhookDeliveries, webhookEndpoints } from '#db/schema/notifications'
import { publish, publishMany } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { type Id, newId } from '#lib/id'
import type { PageRequest } from '#lib/page'
import type { Person } from './audience.repository'
import { webhookDeliveryDue } from './events'

export type Endpoint = typeof webhookEndpoints.$inferSelect
export type Delivery = typeof webhookDeliveries.$inferSelect

/** Holds the user's row, so that of two who add at once the second one counts the first. */
export async function countEndpoints(db: Db, userId: Id<'usr'>): Promise<number> {
  await db.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update')
  const [row] = await db
    .select({ endpoints: count() })
    .from(webhookEndpoints)
    .where(eq(webhookEndpoints.userId, userId))
  return row?.endpoints ?? 0
}

export async function insertEndpoint(
  db: Db,
  row: typeof webhookEndpoints.$inferInsert,
): Promise<void> {
  await db.insert(webhookEndpoints).values(row)
}

export async function findEndpoint(db: Db, id: Id<'whe'>): Promise<Endpoint | null> {
  const [row] = await db.select().from(webhookEndpoints).where(eq(webhookEndpoints.id, id))
  return row ?? null
}

export function listEndpoints(db: Db, userId: Id<'usr'>, page: PageRequest): Promise<Endpoint[]> {
  return db
    .select()
    .from(webhookEndpoints)
    .where(and(eq(webhookEndpoints.userId, userId), olderThan(webhookEndpoints, page.after)))
    .orderBy(desc(webhookEndpoints.createdAt), desc(webhookEndpoints.id))
    .limit(page.limit + 1)
}

export async function updateEndpoint(
  db: Db,
  id: Id<'whe'>,
  set: Partial<typeof webhookEndpoints.$inferInsert>,
): Promise<void> {
  await db.update(webhookEndpoints).set(set).where(eq(webhookEndpoints.id, id))
}

/** With all its deliveries. */
export async function deleteEndpoint(db: Db, id: Id<'whe'>): Promise<void> {
  await db.delete(webhookEndpoints).where(eq(webhookEndpoints.id, id))
}

/** It answers: the count of days begins anew. */
export async function markWorking(db: Db, id: Id<'whe'>): Promise<void> {
  const failing = sql`${webhookEndpoints.failingSince} is not null`
  await db
    .update(webhookEndpoints)
    .set({ failingSince: null })
    .where(and(eq(webhookEndpoints.id, id), failing))
}

/** @returns since when it has done nothing but fail */
export async function markFailing(db: Db, id: Id<'whe'>, at: Date): Promise<Date> {
  const since = sql`coalesce(${webhookEndpoints.failingSince}, ${at.toISOString()}::timestamptz)`
  const [row] = await db
    .update(webhookEndpoints)
    .set({ failingSince: since })
    .where(eq(webhookEndpoints.id, id))
    .returning({ since: webhookEndpoints.failingSince })
  return row?.since ?? at
}

/** @returns the owner, if it was this call that disabled it */
export async function disableEndpoint(
  db: Db,
  id: Id<'whe'>,
  reason: 'gone' | 'failing',
  at: Date,
): Promise<Person | null> {
  const [row] = await db
    .update(webhookEndpoints)
    .set({ status: 'disabled', disabledReason: reason, updatedAt: at })
    .from(users)
    .where(
      and(
        eq(webhookEndpoints.id, id),
        eq(webhookEndpoints.status, 'active'),
        eq(users.id, webhookEndpoints.userId),
      ),
    )
    .returning({ userId: users.id, email: users.email, name: users.name })
  return row ?? null
}

/** What is told, the same for all who are told. */
export interface Message {
  messageId: Id<'evt'>
  type: string
  body: string
}

/** One delivery for each endpoint of these users that asked for it; never two of one message. */
export async function enqueueDeliveries(
  db: Db,
  owners: Id<'usr'>[],
  message: Message,
  clock: Clock,
): Promise<void> {
  const endpoints = await db
    .select({ id: webhookEndpoints.id })
    .from(webhookEndpoints)
    .where(
      and(
        inArray(webhookEndpoints.userId, owners),
        eq(webhookEndpoints.status, 'active'),
        or(isNull(webhookEndpoints.events), arrayContains(webhookEndpoints.events, [message.type])),
      ),
    )
  if (endpoints.length === 0) return
  const createdAt = clock.now()
  const rows = endpoints.map(({ id: endpointId }) => ({
    ...{ ...message, endpointId, createdAt, id: newId('whd', clock) },
  }))
  const added = await db
    .insert(webhookDeliveries)
    .values(rows)
    .onConflictDoNothing()
    .returning({ deliveryId: webhookDeliveries.id })
  await publishMany(
    db,
    webhookDeliveryDue,
    added.map((payload) => ({ payload })),
  )
}

/** A message for one endpoint, whatever it asked for. */
export async function insertDelivery(
  db: Db,
  row: typeof webhookDeliveries.$inferInsert,
): Promise<Delivery> {
  const [delivery] = await db.insert(webhookDeliveries).values(row).returning()
  await publish(db, webhookDeliveryDue, { deliveryId: row.id })
  return invariant(delivery, row.id)
}

/** Due again, whatever became of it. */
export async function reviveDelivery(db: Db, id: Id<'whd'>): Promise<Delivery> {
  const [delivery] = await db
    .update(webhookDeliveries)
    .set({ state: 'pending' })
    .where(eq(webhookDeliveries.id, id))
    .returning()
  await publish(db, webhookDeliveryDue, { deliveryId: id })
  return invariant(delivery, id)
}

export async function findDelivery(
  db: Db,
  id: Id<'whd'>,
): Promise<{ delivery: Delivery; endpoint: Endpoint } | null> {
  const [row] = await db
    .select({ delivery: webhookDeliveries, endpoint: webhookEndpoints })
    .from(webhookDeliveries)
    .innerJoin(webhookEndpoints, eq(webhookEndpoints.id, webhookDeliveries.endpointId))
    .where(eq(webhookDeliveries.id, id))
  return row ?? null
}

export function listDeliveries(
  db: Db,
  endpointId: Id<'whe'>,
  page: PageRequest,
): Promise<Delivery[]> {
  return db
    .select()
    .from(webhookDeliveries)
    .where(
      and(eq(webhookDeliveries.endpointId, endpointId), olderThan(webhookDeliveries, page.after)),
    )
    .orderBy(desc(webhookDeliveries.createdAt), desc(webhookDeliveries.id))
    .limit(page.limit + 1)
}

export type Attempt = Pick<
  Delivery,
  'attemptedAt' | 'durationMs' | 'answerStatus' | 'answerBody' | 'lastError'
>

/** Notes how an attempt went. A success stays one, should another attempt run beside it. */
export async function recordAttempt(
  db: Db,
  id: Id<'whd'>,
  state: Delivery['state'],
  attempt: Attempt,
): Promise<void> {
  const unlessDone = state === 'succeeded' ? undefined : ne(webhookDeliveries.state, 'succeeded')
  await db
    .update(webhookDeliveries)
    .set({ ...attempt, state, attempts: sql`${webhookDeliveries.attempts} + 1` })
    .where(and(eq(webhookDeliveries.id, id), unlessDone))
}

/** Ends a delivery without an attempt. */
export async function giveUpDelivery(db: Db, id: Id<'whd'>, lastError: string): Promise<void> {
  await db
    .update(webhookDeliveries)
    .set({ state: 'failed', lastError })
    .where(eq(webhookDeliveries.id, id))
}

/** Forgets what was written before an instant. @returns how many */
export async function deleteDeliveries(db: Db, before: Date): Promise<number> {
  const deleted = await db
    .delete(webhookDeliveries)
    .where(lt(webhookDeliveries.createdAt, before))
    .returning({ id: webhookDeliveries.id })
  return deleted.length
}
