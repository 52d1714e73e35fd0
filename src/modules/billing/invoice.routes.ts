import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import { SubscriptionParams } from '#modules/subscriptions'
import type { InvoiceService } from './invoice.service'
import {
  InvoicePage,
  InvoiceParams,
  InvoiceView,
  PeriodPage,
  VerificationView,
} from './invoice-schemas'
import type { InvoiceVerification } from './verification'

export const invoiceRoutes = (invoices: InvoiceService, verification: InvoiceVerification) =>
  new RouteGroup('/pricing', 'Invoices')
    .get(
      '/billing-periods',
      {
        permission: 'billing:read',
        summary: 'Billing periods of your subscriptions, newest first',
        query: t.Object(PageQuery),
        response: PeriodPage,
      },
      ({ actor, query }) => invoices.periods(actor, pageRequest(query, 'per')),
    )
    .get(
      '/invoices',
      {
        permission: 'billing:read',
        summary: 'Your invoices, newest first',
        query: t.Object(PageQuery),
        response: InvoicePage,
      },
      ({ actor, query }) => invoices.list(actor, pageRequest(query, 'inv')),
    )
    .get(
      '/invoices/:id',
      {
        permission: 'billing:read',
        summary: 'One of your invoices, with its lines and credit notes',
        description: 'With `.pdf` or `.html` after the id: the document, once it is final.',
        params: InvoiceParams,
        response: InvoiceView,
        mediaTypes: ['application/json', 'application/pdf', 'text/html'],
        problems: [409],
      },
      ({ actor, params }) => invoices.get(actor, params.id),
    )
    .get(
      '/invoices/:id/verify',
      {
        permission: 'billing:read',
        summary: 'Make an invoice again from its inputs, and compare',
        description:
          'Lines are rated again by plan, discounts and units; units are compared with the single calls ' +
          'while these are kept; tax and sums are made again.',
        params: InvoiceParams,
        response: VerificationView,
      },
      ({ actor, params }) => verification.verify(actor, params.id),
    )

export const subscriptionInvoiceRoutes = (invoices: InvoiceService) =>
  new RouteGroup('/subscriptions', 'Subscriptions').get(
    '/:id/invoices',
    {
      permission: 'subscriptions:read',
      summary: 'Invoices of a subscription, newest first',
      params: SubscriptionParams,
      query: t.Object(PageQuery),
      response: InvoicePage,
    },
    ({ actor, params, query }) =>
      invoices.ofSubscription(actor, params.id, pageRequest(query, 'inv')),
  )
