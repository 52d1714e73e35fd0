import { INVOICE_STATUSES } from '#db/schema/billing'
import { oneOf, pageOf, t } from '#infra/http'

const Instant = t.String({ format: 'date-time' })
const Amount = t.Integer({ description: 'Minor units of the currency.' })
const OrNull = <T extends Parameters<typeof t.Union>[0][number]>(schema: T) =>
  t.Union([schema, t.Null()])
const Party = {
  name: t.String(),
  address: t.Array(t.String()),
  country: OrNull(t.String()),
  taxId: OrNull(t.String()),
}

const LineView = t.Object({
  code: t.String(),
  description: t.String(),
  quantity: t.Integer(),
  amount: t.Integer({
    description: 'Minor units; with tax where `pricesIncludeTax` says so; below 0 for a credit.',
  }),
  tax: t.Integer({ description: 'The part of the tax that falls on this line.' }),
  rate: OrNull(t.String({ description: 'Percent.' })),
  explain: t.String({ description: 'Formula and inputs of the amount.' }),
})

const TaxView = t.Object({
  rate: t.String({ description: 'Percent.' }),
  country: t.String(),
  net: Amount,
  tax: Amount,
  reason: oneOf(['standard', 'reverse_charge', 'exempt'] as const),
})

export const CreditNoteView = t.Object(
  {
    id: t.String(),
    number: t.String(),
    reason: t.String(),
    subtotal: Amount,
    tax: Amount,
    total: Amount,
    relieved: t.Integer({ description: 'Taken off what was still due.' }),
    toCredit: t.Integer({ description: 'Added to your credit.' }),
    refunded: t.Integer({ description: 'Paid back.' }),
    createdAt: Instant,
  },
  { $id: 'CreditNote' },
)

const summary = {
  id: t.String(),
  number: OrNull(t.String({ description: 'Null for a draft.' })),
  status: oneOf(INVOICE_STATUSES),
  title: t.String(),
  subscriptionId: OrNull(t.String()),
  currency: t.String(),
  subtotal: t.Integer({ description: 'Minor units without tax; below 0 where credits prevail.' }),
  tax: Amount,
  total: Amount,
  amountDue: Amount,
  createdAt: Instant,
  finalizedAt: OrNull(Instant),
  dueAt: OrNull(Instant),
  paidAt: OrNull(Instant),
}
const InvoiceSummary = t.Object(summary, { $id: 'InvoiceSummary' })
export const InvoicePage = pageOf(InvoiceSummary)

export const InvoiceView = t.Object(
  {
    ...summary,
    carriedToCredit: t.Integer({
      description: 'What the lines are below 0: it is your credit now.',
    }),
    creditApplied: t.Integer({ description: 'Paid out of your credit.' }),
    amountPaid: Amount,
    amountCredited: t.Integer({ description: 'Sum of its credit notes.' }),
    pricesIncludeTax: t.Boolean(),
    lines: t.Array(LineView),
    taxes: t.Array(TaxView),
    creditNotes: t.Array(CreditNoteView),
    seller: OrNull(t.Object({ ...Party, email: OrNull(t.String()) })),
    buyer: OrNull(t.Object(Party)),
  },
  { $id: 'Invoice' },
)

const PeriodView = t.Object(
  {
    id: t.String(),
    subscriptionId: t.String(),
    planId: t.String(),
    kind: oneOf(['trial', 'regular'] as const),
    status: oneOf(['open', 'closed', 'invoiced'] as const),
    start: Instant,
    end: t.String({ format: 'date-time', description: 'Belongs to the next period.' }),
    flatFee: Amount,
    units: t.Integer({ description: 'Billable units so far.' }),
    billedUnits: OrNull(t.Integer({ description: 'Those that invoices have.' })),
    advanceInvoiceId: OrNull(t.String()),
    arrearsInvoiceId: OrNull(t.String()),
    createdAt: Instant,
  },
  { $id: 'BillingPeriod' },
)
export const PeriodPage = pageOf(PeriodView)

export const VerificationView = t.Object(
  {
    invoiceId: t.String(),
    verdict: oneOf(['equal', 'different'] as const),
    differences: t.Array(
      t.Object({
        what: t.String({ description: 'What was looked at, such as `total`.' }),
        expected: t.String({ description: 'What its inputs give, as JSON.' }),
        found: t.String({ description: 'What stands there, as JSON.' }),
      }),
    ),
    periods: t.Array(
      t.Object({
        id: t.String(),
        units: t.Integer({
          description: 'Billable units now; late ones follow on a later invoice.',
        }),
        billedUnits: OrNull(t.Integer({ description: 'Those that invoices have.' })),
        isRecounted: t.Boolean({
          description: 'Whether the single calls are still kept, and were counted again.',
        }),
      }),
    ),
  },
  { $id: 'InvoiceVerification' },
)

export const InvoiceParams = t.Object({ id: t.String({ description: 'Id of an invoice.' }) })
