import { pageRequest, RouteGroup } from '#infra/http'
import { KeyBody, KeyPage, KeyParams, KeyQuery, KeyView, NewKeyView } from './schemas'
import type { KeyService } from './service'

export const keyRoutes = (keys: KeyService) =>
  new RouteGroup('/api-keys', 'API keys')
    .get(
      '',
      {
        permission: 'keys:read',
        summary: 'Your keys, newest first',
        query: KeyQuery,
        response: KeyPage,
      },
      ({ actor, query }) => keys.list(actor, query.subscriptionId, pageRequest(query, 'key')),
    )
    .post(
      '',
      {
        permission: 'keys:manage',
        summary: 'Make another key for a subscription',
        description: 'The key is in this answer and nowhere else, ever.',
        body: KeyBody,
        response: NewKeyView,
        status: 201,
        idempotent: true,
        problems: [404],
      },
      ({ actor, body }) => keys.create(actor, body),
    )
    .get(
      '/:id',
      {
        permission: 'keys:read',
        summary: 'One of your keys',
        params: KeyParams,
        response: KeyView,
      },
      ({ actor, params }) => keys.get(actor, params.id),
    )
    .post(
      '/:id/revoke',
      {
        permission: 'keys:manage',
        summary: 'Revoke a key',
        description: 'It is refused from now on, for good. Asking again changes nothing.',
        params: KeyParams,
        response: KeyView,
        problems: [409],
      },
      ({ actor, params }) => keys.revoke(actor, params.id),
    )
