import type { Static } from '@sinclair/typebox'
import { oneOf, PageQuery, pageOf, strict, t } from '#infra/http'

const Instant = (description: string) => t.String({ format: 'date-time', description })
const nullable = (schema: ReturnType<typeof t.String>) => t.Union([schema, t.Null()])
const Count = (description: string) => t.Integer({ description })

const TypeStats = t.Object({
  type: t.String(),
  ready: Count('Due and waiting for a worker.'),
  scheduled: Count('Published with a delay that is not over.'),
  running: Count('In the hands of a worker.'),
  retrying: Count('Failed, and waiting for the next attempt.'),
  deduplicated: Count('Not added so far, since an event with their dedupe key was there.'),
  oldestReadyMs: t.Union([t.Number(), t.Null()], {
    description: 'For how long the longest waiting one has been due.',
  }),
  perMinute: t.Object(
    { done: t.Number(), retried: t.Number(), dead: t.Number() },
    { description: 'Over the last five full minutes.' },
  ),
})

export const QueueStatsView = t.Object(
  {
    asOf: Instant('When this was counted; it is counted anew every few seconds at most.'),
    types: t.Array(TypeStats),
    inFlightPastLease: Count(
      'Events whose worker is overdue; they are taken over within a second.',
    ),
    deadLetters: t.Object({
      count: t.Integer(),
      oldestAt: nullable(Instant('When the oldest of them died.')),
    }),
    oldestXminAge: Count('Transactions begun since the oldest snapshot that is still held open.'),
  },
  { $id: 'QueueStats' },
)

const AttemptErrors = t.Array(t.Object({ at: t.String(), message: t.String() }), {
  description: 'One entry for each attempt that failed.',
})

export const QueueEventView = t.Object(
  {
    id: t.String(),
    type: t.String(),
    state: oneOf(['ready', 'scheduled', 'running', 'retrying', 'done', 'cancelled', 'dead']),
    payload: t.Unknown(),
    priority: t.Integer(),
    attempts: t.Integer(),
    orderingKey: nullable(t.String()),
    dedupeKey: nullable(t.String()),
    errors: AttemptErrors,
    createdAt: t.String(),
    runAt: nullable(t.String({ description: 'When it is due.' })),
    finishedAt: nullable(t.String()),
  },
  { $id: 'QueueEvent' },
)

export const DeadLetterView = t.Object(
  {
    id: t.String(),
    eventId: t.String({ description: 'The event that died, or what it was a part of.' }),
    type: t.String(),
    reason: t.String(),
    payload: t.Unknown(),
    attempts: t.Integer(),
    errors: AttemptErrors,
    firstAt: t.String({ description: 'When the event was published.' }),
    diedAt: t.String(),
  },
  { $id: 'DeadLetter' },
)

export const QueueEventPage = pageOf(QueueEventView)
export const DeadLetterPage = pageOf(DeadLetterView)

export const QueueIdParams = t.Object({ id: t.String() })

const Type = t.String({ description: 'Name of the event, such as `usage.batch-received`.' })

export const QueueEventQuery = t.Object({
  ...PageQuery,
  type: t.Optional(Type),
  state: t.Optional(
    oneOf(['ready', 'scheduled', 'running', 'retrying', 'done', 'cancelled'], {
      description: 'All that are not over if left out. Done ones stay for types with a history.',
    }),
  ),
})

const DeathFilter = {
  type: t.Optional(Type),
  from: t.Optional(Instant('Died then or later.')),
  to: t.Optional(Instant('Died before that.')),
}
export const DeadLetterQuery = t.Object({ ...PageQuery, ...DeathFilter })
export type DeathFilterInput = { type?: string; from?: string; to?: string }

const DryRun = t.Boolean({ default: false, description: 'Only count, change nothing.' })

export const RetryBody = strict(
  { ...DeathFilter, dryRun: DryRun },
  {
    $id: 'DeadLetterRetry',
    examples: [{ type: 'mail.due', from: '2026-01-31T00:00:00Z', dryRun: true }],
  },
)
export type RetryInput = Static<typeof RetryBody>

export const RetryOutcome = t.Object(
  {
    matched: Count('Dead letters that were meant.'),
    retried: Count('Those that wait again as events, under their old ids.'),
    kept: Count('Those that stay, since another event with their dedupe key waits or runs.'),
    dryRun: t.Boolean(),
  },
  { $id: 'DeadLetterRetryOutcome' },
)

export const CleanupQuery = t.Object({
  olderThan: Instant('Days of the history that ended before it are dropped.'),
  dryRun: DryRun,
})

export const CleanupOutcome = t.Object(
  { days: t.Array(t.String({ format: 'date' })), dryRun: t.Boolean() },
  { $id: 'QueueCleanup' },
)
