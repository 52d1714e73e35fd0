import { and, desc, eq, isNull, lt, type SQL, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { type AttemptError, deadLetters, eventHistory, events } from '#db/schema/queue'
import type { Id } from '#lib/id'
import { type Page, type PageRequest, toPage } from '#lib/page'
import { type DeadLetterFilter, whichLetters } from './redrive'

type WaitingState = 'ready' | 'scheduled' | 'running' | 'retrying'
type OverState = 'done' | 'cancelled'
export type EventState = WaitingState | OverState | 'dead'

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

/** One reading of the columns; the statistics count by it. */
const STATE = sql<WaitingState>`case
  when ${events.claimToken} is not null then 'running'
  when ${events.runAt} = 'infinity' or ${events.runAt} <= now() then 'ready'
  when ${events.errors} <> '[]' then 'retrying'
  else 'scheduled' end`

/**
 * Rows that a page looks at: with a filter that few of them pass it is short, and its cursor goes on
 * behind them. So it takes as long among ten events as among ten million, and no index for it.
 */
const MOST_LOOKED_AT = 10_000

/**
 * Events by state and type, the youngest first; a page may be short, or empty, before the last one.
 * Without a state: all that are not over. What is done is there for types that keep a history; what
 * died is among the dead letters.
 */
export function listEvents(
  db: Db,
  { state, type }: { state?: Exclude<EventState, 'dead'>; type?: string },
  page: PageRequest,
  mostLookedAt = MOST_LOOKED_AT,
): Promise<Page<EventView>> {
  return state === 'done' || state === 'cancelled'
    ? listOver(db, { state, type }, page, mostLookedAt)
    : listWaiting(db, { state, type }, page, mostLookedAt)
}

interface Filter<State> {
  state: State | undefined
  type: string | undefined
}

async function listWaiting(
  db: Db,
  { state, type }: Filter<WaitingState>,
  { limit, after }: PageRequest,
  mostLookedAt: number,
): Promise<Page<EventView>> {
  const looked = selectWaiting(db)
    // Ids are UUIDv7: their order is that of publication, by the publishers' clocks.
    .where(after ? lt(events.id, after.id as Id<'evt'>) : undefined)
    .orderBy(desc(events.id))
    .limit(mostLookedAt)
    .as('looked')
  const [rows, [last]] = await Promise.all([
    db
      .select()
      .from(looked)
      .where(and(isNull(looked.doneUntil), is(looked.state, state), is(looked.type, type)))
      .orderBy(desc(looked.id))
      .limit(limit + 1),
    db
      .select({ id: looked.id, createdAt: looked.createdAt })
      .from(looked)
      .offset(mostLookedAt - 1),
  ])
  return toPage(rows.map(waitingView), limit, last)
}

async function listOver(
  db: Db,
  { state, type }: Filter<OverState>,
  { limit, after }: PageRequest,
  mostLookedAt: number,
): Promise<Page<EventView>> {
  const looked = db
    .select()
    .from(eventHistory)
    .where(olderThan(eventHistory, after))
    .orderBy(desc(eventHistory.createdAt), desc(eventHistory.id))
    .limit(mostLookedAt)
    .as('looked')
  const [rows, [last]] = await Promise.all([
    db
      .select()
      .from(looked)
      .where(and(is(looked.state, state), is(looked.type, type)))
      .orderBy(desc(looked.createdAt), desc(looked.id))
      .limit(limit + 1),
    db
      .select({ id: looked.id, createdAt: looked.createdAt })
      .from(looked)
      .offset(mostLookedAt - 1),
  ])
  return toPage(rows.map(overView), limit, last)
}

const is = (column: Parameters<typeof eq>[0], value: string | undefined): SQL | undefined =>
  value === undefined ? undefined : eq(column, value)

/** The event wherever it is by now; null when it is unknown, or done without a history. */
export async function getEvent(db: Db, id: Id<'evt'>): Promise<EventView | null> {
  const [waiting] = await selectWaiting(db).where(and(eq(events.id, id), isNull(events.doneUntil)))
  if (waiting) return waitingView(waiting)
  const [over] = await db.select().from(eventHistory).where(eq(eventHistory.id, id)).limit(1)
  if (over) return overView(over)
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

function selectWaiting(db: Db) {
  const { id, type, payload, attempts, orderingKey, dedupeKey, errors, createdAt } = events
  return db
    .select({
      ...{ id, type, payload, attempts, orderingKey, dedupeKey, errors, createdAt },
      doneUntil: events.doneUntil,
      state: STATE.as('state'),
      priority: sql<number>`-${events.rank}`.as('priority'),
      dueAt: sql<string | null>`nullif(${events.runAt}, 'infinity')`.as('due_at'),
    })
    .from(events)
    .$dynamic()
}

type WaitingRow = Awaited<ReturnType<typeof selectWaiting>>[number]

const waitingView = ({ doneUntil: _, dueAt, ...row }: WaitingRow): EventView => ({
  ...row,
  runAt: dueAt === null ? null : new Date(dueAt),
  finishedAt: null,
})

const overView = (row: typeof eventHistory.$inferSelect): EventView => ({ ...row, runAt: null })
