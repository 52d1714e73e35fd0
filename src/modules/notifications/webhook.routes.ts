import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import {
  DeliveryPage,
  DeliveryParams,
  DeliveryView,
  EndpointBody,
  EndpointPage,
  EndpointParams,
  EndpointUpdateBody,
  EndpointView,
  EndpointWithSecretView,
} from './schemas'
import type { WebhookService } from './webhook.service'

export const webhookRoutes = (webhooks: WebhookService) =>
  new RouteGroup('/webhooks', 'Webhooks')
    .get(
      '/endpoints',
      {
        permission: 'webhooks:read',
        summary: 'Your endpoints, newest first',
        query: t.Object(PageQuery),
        response: EndpointPage,
      },
      ({ actor, query }) => webhooks.list(actor, pageRequest(query, 'whe')),
    )
    .post(
      '/endpoints',
      {
        permission: 'webhooks:manage',
        summary: 'Add an endpoint',
        description:
          'Messages are posted there, signed as Standard Webhooks. The secret is in this answer and nowhere else, ever.',
        body: EndpointBody,
        response: EndpointWithSecretView,
        status: 201,
        idempotent: true,
        problems: [409],
      },
      ({ actor, body }) => webhooks.create(actor, body),
    )
    .get(
      '/endpoints/:id',
      {
        permission: 'webhooks:read',
        summary: 'One of your endpoints',
        params: EndpointParams,
        response: EndpointView,
      },
      ({ actor, params }) => webhooks.get(actor, params.id),
    )
    .patch(
      '/endpoints/:id',
      {
        permission: 'webhooks:manage',
        summary: 'Change an endpoint, or switch it off and on',
        description: 'What is left out stays.',
        params: EndpointParams,
        body: EndpointUpdateBody,
        response: EndpointView,
      },
      ({ actor, params, body }) => webhooks.update(actor, params.id, body),
    )
    .delete(
      '/endpoints/:id',
      {
        permission: 'webhooks:manage',
        summary: 'Delete an endpoint with its deliveries',
        params: EndpointParams,
        status: 204,
      },
      ({ actor, params }) => webhooks.delete(actor, params.id),
    )
    .post(
      '/endpoints/:id/test',
      {
        permission: 'webhooks:manage',
        summary: 'Send a test message',
        description: 'Its type is `webhook.test`. Look at the deliveries for what became of it.',
        params: EndpointParams,
        response: DeliveryView,
        status: 202,
        problems: [409],
      },
      ({ actor, params }) => webhooks.test(actor, params.id),
    )
    .post(
      '/endpoints/:id/rotate-secret',
      {
        permission: 'webhooks:manage',
        summary: 'Change the secret of an endpoint',
        description:
          'The new secret is in this answer and nowhere else. For 24 hours messages are signed with both.',
        params: EndpointParams,
        response: EndpointWithSecretView,
        idempotent: true,
      },
      ({ actor, params }) => webhooks.rotateSecret(actor, params.id),
    )
    .get(
      '/endpoints/:id/deliveries',
      {
        permission: 'webhooks:read',
        summary: 'What was sent to an endpoint, newest first (30 days)',
        params: EndpointParams,
        query: t.Object(PageQuery),
        response: DeliveryPage,
      },
      ({ actor, params, query }) =>
        webhooks.deliveries(actor, params.id, pageRequest(query, 'whd')),
    )
    .post(
      '/deliveries/:id/retry',
      {
        permission: 'webhooks:manage',
        summary: 'Send a message again',
        description: 'The same message under the same `webhook-id`, whatever became of it before.',
        params: DeliveryParams,
        response: DeliveryView,
        status: 202,
        problems: [409],
      },
      ({ actor, params }) => webhooks.retry(actor, params.id),
    )
