import { RouteGroup, t } from '#infra/http'
import {
  CalculateBody,
  CostView,
  ModelQuery,
  PlanParams,
  PlanView,
  SimulateBody,
  SimulationView,
  TemplateView,
} from './schemas'
import type { PricingService } from './service'
import type { SimulationService } from './simulation'

export const pricingRoutes = (pricing: PricingService, simulation: SimulationService) =>
  new RouteGroup('/pricing', 'Pricing')
    .get(
      '/templates',
      {
        permission: 'public',
        summary: 'Plan templates of the operator',
        response: t.Array(TemplateView),
      },
      () => pricing.templates(),
    )
    .get(
      '/models',
      {
        permission: 'public',
        summary: 'Plans of a published API, cheapest first',
        query: ModelQuery,
        response: t.Array(PlanView),
      },
      ({ query }) => pricing.publicPlansOf(query.api),
    )
    .get(
      '/models/:id',
      {
        permission: 'public',
        summary: 'A plan',
        params: PlanParams,
        response: PlanView,
      },
      ({ params }) => pricing.publicPlan(params.id),
    )
    .post(
      '/calculate',
      {
        permission: 'public',
        summary: 'What so many units of a plan cost in one period',
        body: CalculateBody,
        response: CostView,
        problems: [404],
      },
      ({ body }) => pricing.calculate(body.planId, body.units),
    )
    .post(
      '/simulate',
      {
        permission: 'usage:read',
        summary: 'What your last periods would have cost under another plan',
        description: 'With the units that were counted then, before tax and without promotions.',
        body: SimulateBody,
        response: SimulationView,
        problems: [404],
      },
      ({ actor, body }) => simulation.simulate(actor, body),
    )
