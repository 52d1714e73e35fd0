import type { CreditNote, Invoice, PeriodRow } from './invoice.repository'

const instant = (at: Date | null): string | null => at?.toISOString() ?? null

export function invoiceSummary(invoice: Invoice) {
  const { id, number, status, title, subscriptionId, currency } = invoice
  return {
    ...{ id, number, status, title, subscriptionId, currency },
    ...{ subtotal: Number(invoice.subtotal), tax: Number(invoice.tax) },
    total: Number(invoice.total),
    amountDue: Number(invoice.amountDue),
    createdAt: invoice.createdAt.toISOString(),
    finalizedAt: instant(invoice.finalizedAt),
    dueAt: instant(invoice.dueAt),
    paidAt: instant(invoice.paidAt),
  }
}

export function invoiceView(invoice: Invoice, creditNotes: readonly CreditNote[]) {
  const { pricesIncludeTax, lines, taxes, seller, buyer } = invoice
  return {
    ...invoiceSummary(invoice),
    carriedToCredit: Number(invoice.carriedToCredit),
    creditApplied: Number(invoice.creditApplied),
    amountPaid: Number(invoice.amountPaid),
    amountCredited: Number(invoice.amountCredited),
    ...{ pricesIncludeTax, taxes, seller, buyer },
    lines: lines.map(({ source, ...line }) => line),
    creditNotes: creditNotes.map(creditNoteView),
  }
}

export function creditNoteView(note: CreditNote) {
  const { id, number, reason } = note
  return {
    ...{ id, number, reason },
    ...{ subtotal: Number(note.subtotal), tax: Number(note.tax), total: Number(note.total) },
    ...{ relieved: Number(note.relieved), toCredit: Number(note.toCredit) },
    refunded: Number(note.refunded),
    createdAt: note.createdAt.toISOString(),
  }
}

export function periodView({ period, units }: PeriodRow) {
  const { id, subscriptionId, kind, status, billedUnits } = period
  const { advanceInvoiceId, arrearsInvoiceId } = period
  return {
    ...{ id, subscriptionId, planId: period.pricingModelId, kind, status, units, billedUnits },
    ...{ advanceInvoiceId, arrearsInvoiceId, flatFee: Number(period.flatFee) },
    ...{ start: period.startsAt.toISOString(), end: period.endsAt.toISOString() },
    createdAt: period.createdAt.toISOString(),
  }
}
