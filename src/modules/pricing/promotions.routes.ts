import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import {
  AppliedView,
  ApplyBody,
  PromotionBody,
  PromotionPage,
  PromotionView,
  ValidateBody,
  ValidityView,
} from './promotion-schemas'
import type { PromotionService } from './promotions'

export const promotionRoutes = (promotions: PromotionService) =>
  new RouteGroup('/pricing/promotions', 'Pricing')
    .post(
      '/validate',
      {
        permission: 'public',
        summary: 'Whether a code would be taken for a plan, and what the plan then costs',
        description:
          'Uses nothing up. What depends on who redeems it, such as a first purchase, is seen then.',
        body: ValidateBody,
        response: ValidityView,
        problems: [404],
      },
      ({ body }) => promotions.validate(body),
    )
    .post(
      '/apply',
      {
        permission: 'subscriptions:manage',
        summary: 'Redeem a code for a subscription of yours',
        description: 'It counts from the next billing period on; what runs is charged as it was.',
        body: ApplyBody,
        response: AppliedView,
        idempotent: true,
        problems: [404, 409],
      },
      ({ actor, body }) => promotions.apply(actor, body),
    )

export const promotionAdminRoutes = (promotions: PromotionService) =>
  new RouteGroup('/admin/promotions', 'Pricing')
    .get(
      '',
      {
        permission: 'promotions:manage',
        summary: 'Promotions, newest first',
        query: t.Object(PageQuery),
        response: PromotionPage,
      },
      ({ query }) => promotions.list(pageRequest(query, 'prm')),
    )
    .post(
      '',
      {
        permission: 'promotions:manage',
        summary: 'Make a promotion',
        body: PromotionBody,
        response: PromotionView,
        status: 201,
        idempotent: true,
        problems: [409],
      },
      ({ actor, body }) => promotions.create(actor, body),
    )
