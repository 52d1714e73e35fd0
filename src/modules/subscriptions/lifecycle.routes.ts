import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import type { CancellationService } from './cancellation'
import type { PauseService } from './pause'
import { PlanChangePreview } from './plan-change-views'
import type { PlanChangeService } from './plan-changes'
import {
  CancelBody,
  HistoryPage,
  PlanChangeBody,
  PlanChangeQuery,
  SubscriptionParams,
  SubscriptionView,
} from './schemas'
import type { SubscriptionService } from './service'

const changing = {
  permission: 'subscriptions:manage' as const,
  params: SubscriptionParams,
  response: SubscriptionView,
  problems: [409],
}

/** The plan of a subscription. */
export const planChangeRoutes = (changes: PlanChangeService) =>
  new RouteGroup('/subscriptions', 'Subscriptions')
    .get(
      '/:id/plan-change/preview',
      {
        permission: 'subscriptions:read',
        summary: 'What a change of the plan would do now, to the cent',
        params: SubscriptionParams,
        query: PlanChangeQuery,
        response: PlanChangePreview,
        problems: [409],
      },
      ({ actor, params, query }) => changes.preview(actor, params.id, query),
    )
    .put(
      '/:id',
      {
        ...{ ...changing, summary: 'Change the plan, up or down' },
        description: 'An upgrade is at once, a downgrade at the end of the period.',
        body: PlanChangeBody,
      },
      ({ actor, params, body }) => changes.change(actor, params.id, body),
    )
    .post(
      '/:id/upgrade',
      {
        ...{ ...changing, summary: 'Change to a dearer plan, at once', idempotent: true },
        description: 'By the flat fee of a year. The keys stay the same.',
        body: PlanChangeBody,
      },
      ({ actor, params, body }) => changes.change(actor, params.id, body, 'upgrade'),
    )
    .post(
      '/:id/downgrade',
      {
        ...{ ...changing, idempotent: true },
        summary: 'Change to a cheaper plan, at the end of the period',
        description: 'By the flat fee of a year; `at: now` for at once. The keys stay the same.',
        body: PlanChangeBody,
      },
      ({ actor, params, body }) => changes.change(actor, params.id, body, 'downgrade'),
    )
    .post(
      '/:id/cancel-scheduled-change',
      {
        ...{ ...changing, idempotent: true },
        summary: 'Withdraw a change of the plan, or an end, that is scheduled',
      },
      ({ actor, params }) => changes.withdraw(actor, params.id),
    )

/** Its end, its pauses and what happened to it. */
export const lifecycleRoutes = (
  subscriptions: SubscriptionService,
  cancellations: CancellationService,
  pauses: PauseService,
) =>
  new RouteGroup('/subscriptions', 'Subscriptions')
    .post(
      '/:id/cancel',
      {
        ...{ ...changing, idempotent: true },
        summary: 'Cancel at the end of the period, or at once',
        description:
          'At once, its keys are revoked before this answers, and what the refund policy of the plan ' +
          'gives back comes with the last invoice.',
        body: CancelBody,
      },
      ({ actor, params, body }) => cancellations.cancel(actor, params.id, body),
    )
    .delete(
      '/:id',
      { ...changing, summary: 'Cancel at the end of the period' },
      ({ actor, params }) => cancellations.cancel(actor, params.id),
    )
    .post(
      '/:id/pause',
      {
        ...{ ...changing, summary: 'Pause; unused time is credited', idempotent: true },
        description: 'Its keys are refused within a second, and stay the same.',
      },
      ({ actor, params }) => pauses.pause(actor, params.id),
    )
    .post(
      '/:id/resume',
      {
        ...{ ...changing, summary: 'Go on after a pause or a trial', idempotent: true },
        description: 'A new cycle begins now, with its full fee.',
      },
      ({ actor, params }) => pauses.resume(actor, params.id),
    )
    .get(
      '/:id/history',
      {
        permission: 'subscriptions:read',
        summary: 'What happened to a subscription, newest first',
        params: SubscriptionParams,
        query: t.Object(PageQuery),
        response: HistoryPage,
      },
      ({ actor, params, query }) =>
        subscriptions.history(actor, params.id, pageRequest(query, 'hst')),
    )
