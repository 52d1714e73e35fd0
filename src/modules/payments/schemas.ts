import type { Static } from '@sinclair/typebox'
import {
  PAYMENT_CHANNELS,
  PAYMENT_STATUSES,
  REFUND_ORIGINS,
  REFUND_STATUSES,
} from '#db/schema/payments'
import { NAME_PATTERN, oneOf, PageQuery, pageOf, strict, t } from '#infra/http'

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

const Amount = (description: string) => t.Integer({ description: `${description} Minor units.` })
const TextOrNull = (description: string) => t.Union([t.String(), t.Null()], { description })

const payment = {
  id: t.String({ examples: ['pay_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
  invoiceId: t.String(),
  status: oneOf(PAYMENT_STATUSES),
  channel: oneOf(PAYMENT_CHANNELS, {
    description:
      '`card`: charged by us; `checkout`: paid on a page of the provider; `manual`: noted by an admin.',
  }),
  methodId: TextOrNull('The card that was charged.'),
  currency: t.String(),
  amount: Amount('What is to be paid, or was.'),
  amountRefunded: Amount('Given back, or on its way back.'),
  amountDisputed: Amount('Taken back by the customer’s bank.'),
  attempt: t.Integer({ description: '1, 2, 3 …: the tries for this invoice.' }),
  failureCode: TextOrNull('Why it failed, such as `insufficient_funds`.'),
  createdAt: Instant,
  settledAt: t.Union([Instant, t.Null()]),
}
export const PaymentView = t.Object(payment, { $id: 'Payment' })
export const PaymentPage = pageOf(PaymentView)
export const PaidView = t.Object(
  { ...payment, checkoutUrl: TextOrNull('Where the customer has to go to pay.') },
  { $id: 'PaymentAttempt' },
)

export const PaymentBody = strict(
  {
    invoiceId: t.String(),
    via: t.Optional(
      oneOf(['card', 'checkout'], {
        description: 'If left out: the newest card, or a page of the provider where there is none.',
      }),
    ),
  },
  {
    $id: 'PaymentInput',
    examples: [{ invoiceId: 'inv_0192f7a0c1d47c3e8f00a1b2c3d4e5f6', via: 'checkout' }],
  },
)

export const ManualPaymentBody = strict(
  {
    reference: t.String({
      ...{ minLength: 1, maxLength: 200 },
      description: 'What names the payment, such as the id of a bank transfer; each counts once.',
    }),
    amount: t.Optional(
      t.Integer({
        ...{ minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
        description: 'Minor units; all that is due if left out.',
      }),
    ),
  },
  { $id: 'ManualPaymentInput', examples: [{ reference: 'transfer 2026-02-03 #17' }] },
)
export type ManualPaymentInput = Static<typeof ManualPaymentBody>

export const PaymentQuery = t.Object({
  ...PageQuery,
  invoiceId: t.Optional(t.String({ description: 'Only those for this invoice.' })),
})
export const PaymentParams = t.Object({ id: t.String({ description: 'Id of a payment.' }) })
export const InvoiceParams = t.Object({ id: t.String({ description: 'Id of an invoice.' }) })

export const RefundView = t.Object(
  {
    id: t.String({ examples: ['ref_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
    paymentId: t.String(),
    status: oneOf(REFUND_STATUSES, { description: '`pending`: what becomes of it is found out.' }),
    origin: oneOf(REFUND_ORIGINS, {
      description: '`provider`: made in its dashboard; `credit`: credit that was paid out.',
    }),
    amount: Amount('What goes back.'),
    currency: t.String(),
    reason: t.String(),
    failureCode: TextOrNull('Why it failed.'),
    createdAt: Instant,
    settledAt: t.Union([Instant, t.Null()]),
  },
  { $id: 'Refund' },
)
export const RefundList = t.Object({ items: t.Array(RefundView) }, { $id: 'Refunds' })

export const RefundBody = strict(
  {
    reason: t.String({
      ...{ minLength: 1, maxLength: 200, pattern: NAME_PATTERN },
      description: 'Stands on the credit note.',
    }),
    amount: t.Optional(
      t.Integer({
        ...{ minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
        description: 'Minor units; all that is left if left out.',
      }),
    ),
    by: t.Optional(
      oneOf(['amount', 'consumption'], {
        description:
          '`consumption`: the share of the payment that the unused part of the quota comes to.',
      }),
    ),
  },
  { $id: 'RefundInput', examples: [{ reason: 'Outage on 3 February', amount: 1000 }] },
)
export type RefundInput = Static<typeof RefundBody>
