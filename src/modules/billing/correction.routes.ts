import { INVOICE_STATUSES } from '#db/schema/billing'
import { NAME_PATTERN, oneOf, PageQuery, pageRequest, RouteGroup, strict, t } from '#infra/http'
import type { BillingProfileService } from './billing-profile'
import { BillingProfileView } from './billing-profile.routes'
import type { CorrectionService } from './correction.service'
import { CreditNoteView, InvoicePage, InvoiceParams, InvoiceView } from './invoice-schemas'

const Text = (maxLength: number) => t.String({ minLength: 1, maxLength, pattern: NAME_PATTERN })
const CreditBody = strict(
  {
    reason: Text(200),
    amount: t.Optional(
      t.Integer({
        ...{ minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
        description: 'Minor units, with tax; all that is left where it is not stated.',
      }),
    ),
  },
  { $id: 'CreditNoteInput', examples: [{ reason: 'Outage on 3 March', amount: 500 }] },
)
const ManualInvoiceBody = strict(
  {
    userId: t.String({ description: 'Who is to pay.' }),
    title: Text(200),
    currency: t.String({ pattern: '^[A-Z]{3}$' }),
    lines: t.Array(
      strict({
        description: Text(300),
        quantity: t.Integer({ minimum: 1, maximum: 1_000_000 }),
        unitAmount: t.Integer({ minimum: -1_000_000_000, maximum: 1_000_000_000 }),
      }),
      { minItems: 1, maxItems: 100 },
    ),
  },
  {
    $id: 'ManualInvoiceInput',
    examples: [
      {
        ...{ userId: 'usr_0192f7a0c1d47c3e8f00a1b2c3d4e5f6', title: 'Onboarding', currency: 'EUR' },
        lines: [{ description: 'Workshop, days', quantity: 2, unitAmount: 90_000 }],
      },
    ],
  },
)

export const manualInvoiceRoutes = (corrections: CorrectionService) =>
  new RouteGroup('/payments', 'Payments').post(
    '/invoices',
    {
      permission: 'billing:correct',
      summary: 'Invoice something by hand',
      description: 'A draft at first; invoice-finalization gives it its tax and number.',
      body: ManualInvoiceBody,
      response: InvoiceView,
      status: 201,
      idempotent: true,
    },
    ({ actor, body }) => corrections.invoice(actor, body),
  )

export const correctionRoutes = (corrections: CorrectionService, profiles: BillingProfileService) =>
  new RouteGroup('/admin', 'Admin')
    .get(
      '/invoices',
      {
        permission: 'billing:audit',
        summary: 'All invoices, newest first',
        query: t.Object({ ...PageQuery, status: t.Optional(oneOf(INVOICE_STATUSES)) }),
        response: InvoicePage,
      },
      ({ query }) => corrections.list(query.status, pageRequest(query, 'inv')),
    )
    .get(
      '/invoices/:id',
      {
        permission: 'billing:audit',
        summary: 'An invoice, with its lines and credit notes',
        params: InvoiceParams,
        response: InvoiceView,
      },
      ({ params }) => corrections.get(params.id),
    )
    .post(
      '/invoices/:id/void',
      {
        permission: 'billing:correct',
        summary: 'Take back an invoice of which nothing is paid or credited',
        params: InvoiceParams,
        response: InvoiceView,
        idempotent: true,
        problems: [409],
      },
      ({ actor, params }) => corrections.void(actor, params.id),
    )
    .post(
      '/invoices/:id/credit-notes',
      {
        permission: 'billing:correct',
        summary: 'Take back a part of an invoice, or all that is left',
        description: 'First off what is still due, then to the credit of the customer.',
        params: InvoiceParams,
        body: CreditBody,
        response: CreditNoteView,
        status: 201,
        idempotent: true,
        problems: [409],
      },
      ({ actor, params, body }) => corrections.credit(actor, params.id, body.reason, body.amount),
    )
    .put(
      '/billing-profiles/:userId/tax-exempt',
      {
        permission: 'billing:correct',
        summary: 'Say whether a customer is exempt from tax',
        params: t.Object({
          userId: t.String({ description: 'Id of a user with a billing profile.' }),
        }),
        body: strict(
          { taxExempt: t.Boolean() },
          { $id: 'TaxExemptInput', examples: [{ taxExempt: true }] },
        ),
        response: BillingProfileView,
      },
      ({ actor, params, body }) => profiles.setExempt(actor, params.userId, body.taxExempt),
    )
