import { t } from '#infra/http'

const Instant = t.String({ format: 'date-time' })

export const MethodView = t.Object(
  {
    id: t.String({ examples: ['pm_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
    brand: t.String({ examples: ['visa'] }),
    lastFour: t.String({ examples: ['4242'] }),
    expiryMonth: t.Integer(),
    expiryYear: t.Integer(),
    isDefault: t.Boolean({ description: 'The newest one is charged.' }),
    createdAt: Instant,
  },
  { $id: 'PaymentMethod' },
)
export const MethodList = t.Object({ items: t.Array(MethodView) }, { $id: 'PaymentMethods' })

export const SetupView = t.Object(
  {
    setupIntentId: t.String(),
    clientSecret: t.String({ description: 'For Stripe.js in the browser of the customer.' }),
  },
  { $id: 'PaymentMethodSetup' },
)

export const MethodParams = t.Object({
  id: t.String({ description: 'Id of a payment method.' }),
})

export const ReceivedView = t.Object({ received: t.Literal(true) })
