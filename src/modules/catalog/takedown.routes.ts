import { RouteGroup, strict, t } from '#infra/http'
import { ApiParams, ApiView } from './schemas'
import type { TakedownService } from './takedown'

const TakedownBody = strict(
  { reason: t.String({ minLength: 1, maxLength: 1000, description: 'For the audit log.' }) },
  { $id: 'Takedown', examples: [{ reason: 'It hands out personal data.' }] },
)

export const takedownRoutes = (takedowns: TakedownService) =>
  new RouteGroup('/admin/apis', 'Takedowns')
    .post(
      '/:id/takedown',
      {
        permission: 'catalog:moderate',
        summary: 'Take an API off the gateway, whoever it belongs to',
        description:
          'When this answers, calls are 404. Its provider cannot publish it until it is lifted.',
        params: ApiParams,
        body: TakedownBody,
        response: ApiView,
        problems: [404, 409, 503],
      },
      ({ actor, params, body }) => takedowns.takeDown(actor, params.id, body.reason),
    )
    .post(
      '/:id/lift',
      {
        permission: 'catalog:moderate',
        summary: 'Lift a takedown',
        description: 'The API is a draft again, which its provider may publish.',
        params: ApiParams,
        response: ApiView,
        problems: [404, 409],
      },
      ({ actor, params }) => takedowns.lift(actor, params.id),
    )
