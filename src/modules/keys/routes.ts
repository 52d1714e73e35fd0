import { pageRequest, RouteGroup } from '#infra/http'
import type { KeyRotation } from './rotation'
import {
  KeyBody,
  KeyChangeBody,
  KeyPage,
  KeyParams,
  KeyQuery,
  KeyView,
  NewKeyView,
  RotateBody,
} from './schemas'
import type { KeyService } from './service'

export const keyRoutes = (keys: KeyService, rotation: KeyRotation) =>
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
    .put(
      '/:id',
      {
        permission: 'keys:manage',
        summary: 'Change the name and the limits of a key',
        description: 'In force within a second. Nothing may be left out.',
        params: KeyParams,
        body: KeyChangeBody,
        response: KeyView,
        problems: [409],
      },
      ({ actor, params, body }) => keys.change(actor, params.id, body),
    )
    .delete(
      '/:id',
      {
        permission: 'keys:manage',
        summary: 'Delete a key that is revoked or expired',
        description:
          'It is listed no more. What was done with it stays in the audit and the usage.',
        params: KeyParams,
        status: 204,
        problems: [409],
      },
      ({ actor, params }) => keys.delete(actor, params.id),
    )
    .post(
      '/:id/resync',
      {
        permission: 'keys:manage',
        summary: 'Bring a key to the gateway that was away when it was made',
        params: KeyParams,
        response: KeyView,
        problems: [409, 503],
      },
      ({ actor, params }) => keys.resync(actor, params.id),
    )
    .post(
      '/:id/rotate',
      {
        permission: 'keys:manage',
        summary: 'Make a successor of a key; both work for a time',
        description:
          'The successor has the same name and limits. It is in this answer and nowhere else, ever. The old key ends after its grace, or once it has had no call for 24 hours while its successor had some.',
        params: KeyParams,
        body: RotateBody,
        response: NewKeyView,
        status: 201,
        idempotent: true,
        problems: [409, 503],
      },
      ({ actor, params, body }) => rotation.rotate(actor, params.id, body.graceDays),
    )
    .post(
      '/:id/regenerate',
      {
        permission: 'keys:manage',
        summary: 'Replace a key at once',
        description: 'As rotating without grace: the old key is revoked when the new one works.',
        params: KeyParams,
        response: NewKeyView,
        status: 201,
        idempotent: true,
        problems: [409, 503],
      },
      ({ actor, params }) => rotation.rotate(actor, params.id, 0),
    )
