import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import { PlanBody, PlanView } from '#modules/pricing'
import type { PlanService } from './plans'
import { ApiBody, ApiPage, ApiParams, ApiUpdateBody, ApiView } from './schemas'
import type { CatalogService } from './service'

const WithPlan = t.Object({ ...ApiParams.properties, planId: t.String() })

export const providerRoutes = (catalog: CatalogService, plans: PlanService) =>
  new RouteGroup('/provider/apis', 'Provider')
    .get(
      '',
      {
        permission: 'catalog:read',
        summary: 'Your APIs, newest first',
        query: t.Object(PageQuery),
        response: ApiPage,
      },
      ({ actor, query }) => catalog.list(actor, pageRequest(query, 'api')),
    )
    .post(
      '',
      {
        permission: 'catalog:write',
        summary: 'List an API',
        description: 'It begins as a draft; give it a plan, then publish it.',
        body: ApiBody,
        response: ApiView,
        status: 201,
        idempotent: true,
      },
      ({ actor, body }) => catalog.create(actor, body),
    )
    .get(
      '/:id',
      {
        permission: 'catalog:read',
        summary: 'One of your APIs',
        params: ApiParams,
        response: ApiView,
      },
      async ({ actor, params, setHeader }) => {
        const api = await catalog.get(actor, params.id)
        setHeader('etag', `"${api.version}"`)
        return api
      },
    )
    .put(
      '/:id',
      {
        permission: 'catalog:write',
        summary: 'Change an API',
        description:
          'What is left out stays. A published API changes at the gateway before this answers.',
        params: ApiParams,
        body: ApiUpdateBody,
        response: ApiView,
        ifMatch: true,
        problems: [409, 503],
      },
      ({ actor, params, body, expectedVersion }) =>
        catalog.update(actor, params.id, expectedVersion, body),
    )
    .delete(
      '/:id',
      {
        permission: 'catalog:write',
        summary: 'Delete an API that nobody subscribed to',
        params: ApiParams,
        status: 204,
        problems: [409, 503],
      },
      ({ actor, params }) => catalog.delete(actor, params.id),
    )
    .post(
      '/:id/publish',
      {
        permission: 'catalog:publish',
        summary: 'Publish an API',
        description: 'When this answers, the gateway serves it. On a problem nothing was changed.',
        params: ApiParams,
        response: ApiView,
        idempotent: true,
        problems: [409, 503],
      },
      ({ actor, params }) => catalog.publish(actor, params.id),
    )
    .post(
      '/:id/unpublish',
      {
        permission: 'catalog:publish',
        summary: 'Take an API off the gateway',
        params: ApiParams,
        response: ApiView,
        idempotent: true,
        problems: [409, 503],
      },
      ({ actor, params }) => catalog.unpublish(actor, params.id),
    )
    .get(
      '/:id/plans',
      {
        permission: 'catalog:read',
        summary: 'Plans of an API, cheapest first',
        params: ApiParams,
        response: t.Array(PlanView),
      },
      ({ actor, params }) => plans.list(actor, params.id),
    )
    .post(
      '/:id/plans',
      {
        permission: 'catalog:write',
        summary: 'Add a plan',
        description: 'From a template of GET /pricing/templates, from scratch, or both.',
        params: ApiParams,
        body: PlanBody,
        response: PlanView,
        status: 201,
        idempotent: true,
      },
      ({ actor, params, body }) => plans.create(actor, params.id, body),
    )
    .put(
      '/:id/plans/:planId',
      {
        permission: 'catalog:write',
        summary: 'Make a new version of a plan',
        description: 'Subscriptions keep the version that they have.',
        params: WithPlan,
        body: PlanBody,
        response: PlanView,
      },
      ({ actor, params, body }) => plans.revise(actor, params.id, params.planId, body),
    )
