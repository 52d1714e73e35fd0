import { pageRequest, RouteGroup } from '#infra/http'
import {
  CleanupOutcome,
  CleanupQuery,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterView,
  QueueEventPage,
  QueueEventQuery,
  QueueEventView,
  QueueIdParams,
  QueueStatsView,
  RetryBody,
  RetryOutcome,
} from './queue-schemas'
import type { QueueService } from './queue-service'

export const queueRoutes = (queue: QueueService) =>
  new RouteGroup('/admin/queue', 'Queue')
    .get(
      '/stats',
      {
        permission: 'queue:read',
        summary: 'How many events wait, run, fail and died, by type',
        response: QueueStatsView,
      },
      () => queue.stats(),
    )
    .get(
      '/events',
      {
        permission: 'queue:read',
        summary: 'Events by state and type, the youngest first',
        description: 'A page looks at 10,000 events: with a rare state or type it may be short.',
        query: QueueEventQuery,
        response: QueueEventPage,
      },
      ({ query }) => queue.events(query, pageRequest(query, 'evt')),
    )
    .get(
      '/events/:id',
      {
        permission: 'queue:read',
        summary: 'An event, wherever it is by now',
        params: QueueIdParams,
        response: QueueEventView,
        problems: [404],
      },
      ({ params }) => queue.event(params.id),
    )
    .post(
      '/events/:id/cancel',
      {
        permission: 'queue:manage',
        summary: 'Take an event that waits off the queue',
        params: QueueIdParams,
        status: 204,
        problems: [404, 409],
      },
      ({ actor, params }) => queue.cancel(actor, params.id),
    )
    .get(
      '/dead-letter',
      {
        permission: 'queue:read',
        summary: 'Events that were given up, the youngest first',
        query: DeadLetterQuery,
        response: DeadLetterPage,
      },
      ({ query }) => queue.deadLetters(query, pageRequest(query, 'dlq')),
    )
    .get(
      '/dead-letter/:id',
      {
        permission: 'queue:read',
        summary: 'A dead letter with the error of each attempt',
        params: QueueIdParams,
        response: DeadLetterView,
        problems: [404],
      },
      ({ params }) => queue.deadLetter(params.id),
    )
    .post(
      '/dead-letter/:id/retry',
      {
        permission: 'queue:manage',
        summary: 'Let one event run again',
        description: 'Under its old id, with all attempts anew. Sent twice, it runs once.',
        params: QueueIdParams,
        response: RetryOutcome,
        problems: [404, 409],
      },
      ({ actor, params }) => queue.retryOne(actor, params.id),
    )
    .post(
      '/dead-letter/retry',
      {
        permission: 'queue:manage',
        summary: 'Let events run again by type or time of death',
        body: RetryBody,
        response: RetryOutcome,
        problems: [422],
      },
      ({ actor, body }) => queue.retry(actor, body),
    )
    .delete(
      '/cleanup',
      {
        permission: 'queue:manage',
        summary: 'Drop old days of the history',
        description:
          'Whole days, as partitions. Events that wait and dead letters are not touched.',
        query: CleanupQuery,
        response: CleanupOutcome,
      },
      ({ actor, query }) => queue.cleanup(actor, query),
    )
