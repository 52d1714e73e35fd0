import type { Database, Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import {
  cancel,
  cleanup,
  type DeadLetterFilter,
  type DeadLetterView,
  type EventState,
  type EventView,
  getEvent,
  listDeadLetters,
  listEvents,
  redrive,
  type StatsReader,
} from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { parseId } from '#lib/id'
import type { PageRequest } from '#lib/page'
import {
  DeadLetterKept,
  DeadLetterUnknown,
  EventRunning,
  EventUnknown,
  RetryWithoutFilter,
} from './errors'
import type { DeathFilterInput, RetryInput } from './queue-schemas'

/** What an operator may see of the event queue and do to it. Every change is audited. */
export class QueueService {
  private readonly db: Db

  constructor(
    database: Database,
    private readonly clock: Clock,
    private readonly statistics: StatsReader,
  ) {
    this.db = database.db
  }

  async stats() {
    const { asOf, deadLetters, ...stats } = await this.statistics.read()
    const oldestAt = deadLetters.oldestAt?.toISOString() ?? null
    return { asOf: asOf.toISOString(), ...stats, deadLetters: { ...deadLetters, oldestAt } }
  }

  async events(filter: { state?: Exclude<EventState, 'dead'>; type?: string }, page: PageRequest) {
    const { items, nextCursor } = await listEvents(this.db, filter, page)
    return { items: items.map(eventView), nextCursor }
  }

  async event(id: string) {
    const known = parseId('evt', id)
    const event = known && (await getEvent(this.db, known))
    if (!event) throw new EventUnknown(id)
    return eventView(event)
  }

  async cancel(actor: Actor, id: string): Promise<void> {
    const known = parseId('evt', id)
    if (!known) throw new EventUnknown(id)
    await this.db.transaction(async (tx) => {
      const outcome = await cancel(tx, known)
      if (outcome === 'running') throw new EventRunning(id)
      if (outcome === 'unknown') throw new EventUnknown(id)
      await this.audit(tx, actor, 'event.cancelled', id)
    })
  }

  async deadLetters(filter: DeathFilterInput, page: PageRequest) {
    const { items, nextCursor } = await listDeadLetters(this.db, filterOf(filter), page)
    return { items: items.map(letterView), nextCursor }
  }

  async deadLetter(id: string) {
    const known = parseId('dlq', id)
    const one = { limit: 1, after: null }
    const [letter] = known ? (await listDeadLetters(this.db, { ids: [known] }, one)).items : []
    if (!letter) throw new DeadLetterUnknown(id)
    return letterView(letter)
  }

  /** Lets one event run again. Asked twice, the second finds the letter gone. */
  async retryOne(actor: Actor, id: string) {
    const known = parseId('dlq', id)
    if (!known) throw new DeadLetterUnknown(id)
    return this.db.transaction(async (tx) => {
      const { matched, events, kept } = await redrive(tx, { ids: [known] })
      if (kept > 0) throw new DeadLetterKept(id)
      if (matched === 0 || events.length === 0) throw new DeadLetterUnknown(id)
      await this.audit(tx, actor, 'dead-letter.retried', id, { events })
      return { matched, retried: events.length, kept, dryRun: false }
    })
  }

  /** Lets all events run again that the filter means. */
  async retry(actor: Actor, { dryRun, ...filter }: RetryInput) {
    if (Object.values(filter).every((value) => value === undefined)) throw new RetryWithoutFilter()
    // Before and apart: many letters take many transactions, and what was asked must stay on record.
    if (!dryRun) await this.audit(this.db, actor, 'dead-letters.retried', 'queue', filter)
    const { matched, events, kept } = await redrive(this.db, filterOf(filter), { dryRun })
    return { matched, retried: events.length, kept, dryRun }
  }

  /** Drops old days of the history. */
  async cleanup(actor: Actor, { olderThan, dryRun }: { olderThan: string; dryRun: boolean }) {
    return this.db.transaction(async (tx) => {
      const days = await cleanup(tx, new Date(olderThan), { dryRun })
      if (!dryRun) await this.audit(tx, actor, 'queue.cleaned-up', 'queue', { olderThan, days })
      return { days, dryRun }
    })
  }

  private async audit(
    db: Db,
    { userId }: Actor,
    action: `${string}.${string}`,
    subjectId: string,
    details: Record<string, unknown> = {},
  ): Promise<void> {
    await recordAudit(db, { actorId: userId, action, subjectId, details, at: this.clock.now() })
  }
}

function filterOf({ type, from, to }: DeathFilterInput): DeadLetterFilter {
  return {
    ...(type !== undefined && { type }),
    ...(from !== undefined && { from: new Date(from) }),
    ...(to !== undefined && { to: new Date(to) }),
  }
}

function eventView({ createdAt, runAt, finishedAt, ...event }: EventView) {
  return {
    ...event,
    createdAt: createdAt.toISOString(),
    runAt: runAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
  }
}

function letterView(letter: DeadLetterView) {
  const { id, eventId, type, reason, payload, attempts, errors, firstAt, createdAt } = letter
  return {
    ...{ id, eventId, type, reason, payload, attempts, errors },
    ...{ firstAt: firstAt.toISOString(), diedAt: createdAt.toISOString() },
  }
}
