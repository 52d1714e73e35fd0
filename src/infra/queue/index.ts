export {
  type DeadLetterView,
  type EventState,
  type EventView,
  getEvent,
  listDeadLetters,
  listEvents,
} from './browse'
export { cancel, cleanup } from './cancel'
export type { ClaimedEvent } from './claim'
export { countUnfinished } from './counts'
export { addDeadLetters, type DeadLetter } from './dead-letters'
export { Discard, describeError, type Outcome, type RetryPolicy, Snooze, storable } from './decide'
export { defineEvent, type EventDefinition } from './event'
export type { BatchedEvent, BatchHandler, Handler } from './handle'
export type { RoundCounts } from './lane'
export { addQueue } from './metrics'
export { type Publication, type PublishOptions, publish, publishMany } from './publish'
export { type DeadLetterFilter, type Redriven, redrive } from './redrive'
export { type QueueStats, StatsReader, type TypeStats } from './stats'
export {
  type BatchHandlerOptions,
  type HandlerOptions,
  Worker,
  type WorkerOptions,
} from './worker'
