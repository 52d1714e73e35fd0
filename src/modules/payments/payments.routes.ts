import { pageRequest, RouteGroup } from '#infra/http'
import type { PaymentService } from './payments.service'
import type { RefundService } from './refunds.service'
import {
  InvoiceParams,
  ManualPaymentBody,
  PaidView,
  PaymentBody,
  PaymentPage,
  PaymentParams,
  PaymentQuery,
  PaymentView,
  RefundBody,
  RefundList,
  RefundView,
} from './schemas'

const WHAT_HAPPENS =
  'While a payment for an invoice is under way there is no second one, however often this is asked. ' +
  '`pending`: what became of it is found out by itself; look at it again.'

export const paymentRoutes = (payments: PaymentService) =>
  new RouteGroup('/payments', 'Payments')
    .get(
      '',
      {
        permission: 'payments:read',
        summary: 'Your payments, newest first; those of everybody for admins',
        query: PaymentQuery,
        response: PaymentPage,
        problems: [404],
      },
      ({ actor, query }) => payments.list(actor, query.invoiceId, pageRequest(query, 'pay')),
    )
    .post(
      '',
      {
        permission: 'payments:manage',
        summary: 'Pay an invoice of yours',
        description: WHAT_HAPPENS,
        body: PaymentBody,
        response: PaidView,
        idempotent: true,
        problems: [402, 404, 503],
      },
      ({ actor, body }) => payments.pay(actor, body.invoiceId, body.via),
    )
    .get(
      '/:id',
      {
        permission: 'payments:read',
        summary: 'One of your payments',
        params: PaymentParams,
        response: PaymentView,
      },
      ({ actor, params }) => payments.get(actor, params.id),
    )

export const refundRoutes = (refunds: RefundService) =>
  new RouteGroup('/payments', 'Payments')
    .get(
      '/:id/refunds',
      {
        permission: 'payments:read',
        summary: 'What was given back of a payment, newest first',
        params: PaymentParams,
        response: RefundList,
      },
      ({ actor, params }) => refunds.list(actor, params.id),
    )
    .post(
      '/:id/refund',
      {
        permission: 'billing:refund',
        summary: 'Give a payment back, or a part of it',
        description:
          'Never more than was paid, however many ask at once. A credit note is made with it. `pending`: what becomes of it is found out by itself.',
        params: PaymentParams,
        body: RefundBody,
        response: RefundView,
        status: 201,
        idempotent: true,
        problems: [409],
      },
      ({ actor, params, body }) => refunds.refund(actor, params.id, body),
    )

export const invoicePaymentRoutes = (payments: PaymentService) =>
  new RouteGroup('/pricing/invoices', 'Payments').post(
    '/:id/pay',
    {
      permission: 'payments:manage',
      summary: 'Pay an invoice of yours with the newest card, or on a page of the provider',
      description: WHAT_HAPPENS,
      params: InvoiceParams,
      response: PaidView,
      idempotent: true,
      problems: [402, 409, 503],
    },
    ({ actor, params }) => payments.pay(actor, params.id),
  )

export const manualPaymentRoutes = (payments: PaymentService) =>
  new RouteGroup('/admin/invoices', 'Admin').post(
    '/:id/mark-paid',
    {
      permission: 'billing:settle',
      summary: 'Note that an invoice was paid in another way',
      params: InvoiceParams,
      body: ManualPaymentBody,
      response: PaymentView,
      status: 201,
      idempotent: true,
      problems: [409],
    },
    ({ actor, params, body }) => payments.markPaid(actor, params.id, body),
  )
