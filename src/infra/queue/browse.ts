import { and, desc, eq, type SQL, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { type AttemptError, deadLetters, eventHistory, events } from '#db/schema/queue'
import type { Id } from '#lib/id'
import { type Page, type PageRequest, toPage } from '#lib/page'
import { type DeadLetterFilter, whichLetters } from './redrive'

export type WaitingState = 'ready' | 'scheduled' | 'running' | 'retrying'
export type EventState = WaitingState | 'done' | 'cancelled' | 'dead'

/** An event as an operator sees it. */
export interface EventView {
  id: Id<'evt'>
  type: string
  state: EventState
  payload: unknown
  priority: number
  attempts: number
  orderingKey: string | null
  dedupeKey: string | null
  errors: AttemptError[]
  createdAt: Date
  /** When it is due; null when it is over, or waits for one before it in its ordering. */
  runAt: Date | null
  finishedAt: Date | null
}

/** One reading of the columns: the same words in lists and statistics. */
export const STATE = sql<WaitingState>`case
  when ${events.claimToken} is not null then 'running'
  when ${events.runAt} = 'infinity' or ${events.runAt} <= now() then 'ready'
  when ${events.errors} <> '[]' then 'retrying'
  else 'scheduled' end`

/**
 * Events by state and type, the youngest first. Without a state: all that are not over. What is done
 * is there for types that keep a history; what died is among the dead letters.
 */
export async function listEvents(
  db: Db,
  filter: { state?: Exclude<EventState, 'dead'>; type?: string },
  { limit, after }: PageRequest,
): Promise<Page<EventView>> {
  const { state, type } = filter
  const isOver = state === 'done' || state === 'cancelled'
  const rows = isOver
    ? await selectOver(
        db,
        and(
          eq(eventHistory.state, state),
          type === undefined ? undefined : eq(eventHistory.type, type),
          olderThan(eventHistory, after),
        ),
        limit + 1,
      )
    : await selectWaiting(
        db,
        and(
          state && eq(STATE, state),
          type === undefined ? undefined : eq(events.type, type),
          olderThan(events, after),
        ),
        limit + 1,
      )
  return toPage(rows, limit)
}

/** The event wherever it is by now; null when it is unknown, or done without a history. */
export async function getEvent(db: Db, id: Id<'evt'>): Promise<EventView | null> {
  const [waiting] = await selectWaiting(db, eq(events.id, id), 1)
  if (waiting) return waiting
  const [over] = await selectOver(db, eq(eventHistory.id, id), 1)
  if (over) return over
  const [letter] = await db.select().from(deadLetters).where(eq(deadLetters.eventId, id))
  if (!letter) return null
  const { type, payload, priority, attempts, orderingKey, dedupeKey, errors } = letter
  return {
    ...{ id, type, payload, priority, attempts, orderingKey, dedupeKey, errors, state: 'dead' },
    ...{ createdAt: letter.firstAt, runAt: null, finishedAt: letter.createdAt },
  }
}

export type DeadLetterView = typeof deadLetters.$inferSelect

/** Dead letters, the youngest first. */
export async function listDeadLetters(
  db: Db,
  filter: DeadLetterFilter,
  { limit, after }: PageRequest,
): Promise<Page<DeadLetterView>> {
  const rows = await db
    .select()
    .from(deadLetters)
    .where(and(whichLetters(filter), olderThan(deadLetters, after)))
    .orderBy(desc(deadLetters.createdAt), desc(deadLetters.id))
    .limit(limit + 1)
  return toPage(rows, limit)
}

async function selectWaiting(db: Db, which: SQL | undefined, limit: number): Promise<EventView[]> {
  const { id, type, payload, attempts, orderingKey, dedupeKey, errors, createdAt } = events
  const rows = await db
    .select({
      ...{ id, type, payload, attempts, orderingKey, dedupeKey, errors, createdAt },
      state: STATE,
      priority: sql<number>`-${events.rank}`,
      runAt: sql<string | null>`nullif(${events.runAt}, 'infinity')`,
    })
    .from(events)
    .where(and(sql`${events.doneUntil} is null`, which))
    .orderBy(desc(events.createdAt), desc(events.id))
    .limit(limit)
  return rows.map((row) => ({
    ...row,
    runAt: row.runAt === null ? null : new Date(row.runAt),
    finishedAt: null,
  }))
}

async function selectOver(db: Db, which: SQL | undefined, limit: number): Promise<EventView[]> {
  const rows = await db
    .select()
    .from(eventHistory)
    .where(which)
    .orderBy(desc(eventHistory.createdAt), desc(eventHistory.id))
    .limit(limit)
  return rows.map((row) => ({ ...row, runAt: null }))
}
