import type { Db } from '#db/client'
import type { EventDefinition } from '#infra/queue'
import type { News, Side } from './audience.repository'
import type { Words } from './letter'

interface Notice<F> {
  to: Side
  /** Null, or left out, for news that are told to webhooks alone. */
  mail?: (facts: F) => Words | null
}

/** For one event: what is to be known of it, and who is told what. */
export interface Rule<T, F> {
  event: EventDefinition<T>
  /** Reads what is told; null when its subject is gone. */
  look: (db: Db, payload: T) => Promise<News<F> | null>
  notices: Notice<F>[]
}

/** `at` is when it happened; an event without it happened when it is read. */
export const rule = <T extends object, F extends object>(
  event: EventDefinition<T>,
  look: Rule<T, F>['look'],
  ...notices: Notice<F>[]
) => ({ event, look, notices }) as unknown as Rule<{ at?: string }, object>
