import { RouteGroup } from '#infra/http'
import type { PaymentMethodService } from './methods.service'
import { MethodList, MethodParams, SetupView } from './schemas'

export const paymentMethodRoutes = (methods: PaymentMethodService) =>
  new RouteGroup('/payments/methods', 'Payments')
    .get(
      '',
      {
        permission: 'payments:read',
        summary: 'Your cards, newest first',
        response: MethodList,
      },
      ({ actor }) => methods.list(actor),
    )
    .post(
      '/setup',
      {
        permission: 'payments:manage',
        summary: 'Begin to add a card',
        description:
          'Confirm with Stripe.js and the client secret; the card is there a moment after that, and is charged from then on.',
        response: SetupView,
        status: 201,
        problems: [409, 503],
      },
      ({ actor }) => methods.setUp(actor),
    )
    .delete(
      '/:id',
      {
        permission: 'payments:manage',
        summary: 'Remove a card',
        description: 'It is never charged again. What was charged with it can still be refunded.',
        params: MethodParams,
        status: 204,
        problems: [409, 503],
      },
      ({ actor, params }) => methods.remove(actor, params.id),
    )
