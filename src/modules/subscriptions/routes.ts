import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import { SlugParams } from '#modules/catalog'
import {
  NewSubscriptionView,
  SubscribeBody,
  SubscriptionBody,
  SubscriptionPage,
  SubscriptionParams,
  SubscriptionView,
} from './schemas'
import type { SubscriptionService } from './service'

const WHAT_HAPPENS =
  'Opens the first billing period and makes the first key. When this answers, the key works. ' +
  'On a problem nothing was made, and the same Idempotency-Key may be sent again.'

export const subscriptionRoutes = (subscriptions: SubscriptionService) =>
  new RouteGroup('/subscriptions', 'Subscriptions')
    .get(
      '',
      {
        permission: 'subscriptions:read',
        summary: 'Your subscriptions, newest first',
        query: t.Object(PageQuery),
        response: SubscriptionPage,
      },
      ({ actor, query }) => subscriptions.list(actor, pageRequest(query, 'sub')),
    )
    .post(
      '',
      {
        permission: 'marketplace:subscribe',
        summary: 'Subscribe to an API',
        description: WHAT_HAPPENS,
        body: SubscriptionBody,
        response: NewSubscriptionView,
        status: 201,
        idempotent: true,
        problems: [404, 503],
      },
      ({ actor, body }) => subscriptions.subscribe(actor, body),
    )
    .get(
      '/:id',
      {
        permission: 'subscriptions:read',
        summary: 'One of your subscriptions',
        params: SubscriptionParams,
        response: SubscriptionView,
      },
      ({ actor, params }) => subscriptions.get(actor, params.id),
    )

export const subscribeRoutes = (subscriptions: SubscriptionService) =>
  new RouteGroup('/marketplace', 'Marketplace').post(
    '/apis/:slug/subscribe',
    {
      permission: 'marketplace:subscribe',
      summary: 'Subscribe to an API',
      description: WHAT_HAPPENS,
      params: SlugParams,
      body: SubscribeBody,
      response: NewSubscriptionView,
      status: 201,
      idempotent: true,
      problems: [503],
    },
    ({ actor, params, body }) => subscriptions.subscribe(actor, { api: params.slug, ...body }),
  )
