import {
  invoiceCredited,
  invoiceFinalized,
  invoicePaid,
  invoicePastDue,
  invoiceUncollectible,
  invoiceVoided,
} from '#modules/billing'
import { newsOfInvoice } from './invoice-audience.repository'
import { rule } from './rule'

/** Who is told what of an invoice; the first mail has it as a PDF. */
export const INVOICE_RULES = [
  rule(invoiceFinalized, (db, { invoiceId }) => newsOfInvoice(db, invoiceId), {
    to: 'consumers',
    mail: ({ invoice }) => ({
      subject: `Invoice ${invoice.number}`,
      text: [
        `Attached is invoice ${invoice.number}, of which ${invoice.amountDueText} is due.`,
        `GET /pricing/invoices/${invoice.id} shows it, with what each amount was made from.`,
      ],
      attachment: invoice.id,
    }),
  }),
  rule(invoicePaid, (db, { invoiceId }) => newsOfInvoice(db, invoiceId), { to: 'consumers' }),
  rule(invoicePastDue, (db, { invoiceId }) => newsOfInvoice(db, invoiceId), {
    to: 'consumers',
    mail: ({ invoice }) => ({
      subject: `Invoice ${invoice.number} is overdue`,
      text: [
        `Invoice ${invoice.number} of ${invoice.amountDueText} has not been paid yet.`,
        `GET /pricing/invoices/${invoice.id} shows it; POST /pricing/invoices/${invoice.id}/pay pays it.`,
      ],
    }),
  }),
  rule(invoiceUncollectible, (db, { invoiceId }) => newsOfInvoice(db, invoiceId), {
    to: 'consumers',
    mail: ({ invoice }) => ({
      subject: `Invoice ${invoice.number} was not paid`,
      text: [
        `We have stopped asking for ${invoice.amountDueText} of invoice ${invoice.number}; it is still owed.`,
        `POST /pricing/invoices/${invoice.id}/pay pays it.`,
      ],
    }),
  }),
  rule(invoiceVoided, (db, { invoiceId }) => newsOfInvoice(db, invoiceId), {
    to: 'consumers',
    mail: ({ invoice }) => ({
      subject: `Invoice ${invoice.number} is void`,
      text: [`Invoice ${invoice.number} was withdrawn: nothing is to be paid for it.`],
    }),
  }),
  rule(
    invoiceCredited,
    async (db, { invoiceId, creditNoteId }) => newsOfInvoice(db, invoiceId, creditNoteId),
    {
      to: 'consumers',
      mail: ({ invoice, creditNote }) =>
        creditNote && {
          subject: `Credit note ${creditNote.number} for invoice ${invoice.number}`,
          text: [
            `${creditNote.totalText} of invoice ${invoice.number} were credited: ${creditNote.reason}.`,
            `GET /pricing/invoices/${invoice.id} shows where it went: off what was due, to your credit, or back to you.`,
          ],
        },
    },
  ),
]
