import { and, eq, inArray, lt, notExists, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { events } from '#db/schema/queue'
import { usageBacklog } from '#db/schema/usage'
import type { Id } from '#lib/id'

export async function addToBacklog(db: Db, eventId: Id<'evt'>, calls: number): Promise<void> {
  await db.insert(usageBacklog).values({ eventId, calls })
}

export async function removeFromBacklog(db: Db, eventIds: Id<'evt'>[]): Promise<void> {
  if (eventIds.length === 0) return
  await db.delete(usageBacklog).where(inArray(usageBacklog.eventId, eventIds))
}

/** Calls that wait; of a row for each batch, so that it is quick beside what booking them takes. */
export async function countBacklog(db: Db): Promise<number> {
  const [row] = await db
    .select({ calls: sql`coalesce(sum(${usageBacklog.calls}), 0)`.mapWith(Number) })
    .from(usageBacklog)
  return row?.calls ?? 0
}

/** Batches that left the queue by another way than being booked, such as to the dead letters. */
export async function removeStrayFromBacklog(db: Db, before: Date): Promise<number> {
  const queued = db
    .select({ id: events.id })
    .from(events)
    .where(eq(events.id, usageBacklog.eventId))
  const removed = await db
    .delete(usageBacklog)
    .where(and(lt(usageBacklog.createdAt, before), notExists(queued)))
    .returning({ id: usageBacklog.eventId })
  return removed.length
}
