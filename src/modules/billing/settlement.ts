import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import { type Id, newId } from '#lib/id'
import type { Ledger } from '#modules/ledger'
import { documentNumber } from './document-number'
import {
  CreditExceedsInvoice,
  InvoiceCurrencyDiffers,
  InvoiceNotFinal,
  InvoiceNotVoidable,
  InvoiceUnknown,
} from './errors'
import {
  invoiceCredited,
  invoicePaid,
  invoicePastDue,
  invoiceSettled,
  invoiceUncollectible,
  invoiceVoided,
} from './events'
import type { Invoice } from './invoice.repository'
import * as invoices from './invoice.repository'
import { owedOn, shareOf, taken, toCredit } from './postings'
import type { BillingSettings } from './settings'

/** Money that came in for an invoice; `amount` in minor units, above 0. */
export interface ReceivedPayment {
  invoiceId: Id<'inv'>
  /** Names the payment: told twice it counts once. */
  paymentId: string
  amount: bigint
  currency: string
  at: Date
}

/** Money that went back to the payer; `amount` in minor units, above 0. */
export interface PaidRefund {
  invoiceId: Id<'inv'>
  /** Names the refund: told twice it counts once. */
  refundId: string
  amount: bigint
  reason: string
  at: Date
}

/** A part of an invoice that is taken back; `amount` in minor units, with tax. */
export interface Credit {
  invoiceId: Id<'inv'>
  amount: bigint
  reason: string
  at: Date
}

/** Where the total of a credit note goes. */
type CreditParts = Pick<invoices.CreditNote, 'relieved' | 'toCredit' | 'refunded' | 'refundId'>

/**
 * What happens to an invoice after it is final. Everything runs in the caller's transaction, holds the
 * invoice first, and changes nothing when it is told again.
 */
export class Settlement {
  constructor(
    private readonly ledger: Ledger,
    private readonly settings: () => BillingSettings,
  ) {}

  /** Minor units that are left to pay; 0 for a draft and for a void invoice. */
  async amountDue(db: Db, invoiceId: Id<'inv'>): Promise<bigint> {
    const invoice = await invoices.findInvoice(db, invoiceId)
    if (!invoice) throw new InvoiceUnknown(invoiceId)
    return invoice.status === 'draft' ? 0n : invoice.amountDue
  }

  /**
   * What is more than is due goes to the customer's credit: also all of it, where the invoice was paid,
   * credited or voided while the payment was on its way. Nothing that came in is refused or lost.
   */
  async recordPayment(tx: Db, payment: ReceivedPayment): Promise<void> {
    const { invoiceId, paymentId: reference, amount, currency, at } = payment
    if (amount <= 0n) throw new RangeError(`a payment of ${amount}`)
    const invoice = await this.final(tx, invoiceId)
    if (invoice.currency !== currency)
      throw new InvoiceCurrencyDiffers(invoiceId, invoice.currency, currency)
    const { amountDue } = invoice
    const settles = lesser(amount, amountDue)
    const isNew = await this.ledger.post(tx, {
      ...{ kind: 'payment.received', reference, at, currency },
      entries: [
        { account: { type: 'cash', ownerId: null }, amount },
        owedOn(invoice, -settles),
        toCredit(invoice, amount - settles),
      ],
    })
    if (!isNew || settles === 0n) return
    await this.settle(tx, invoice, { amountPaid: invoice.amountPaid + settles }, settles, at)
  }

  /** An open invoice whose due date has passed, or whose payment failed for good. */
  async markPastDue(tx: Db, invoiceId: Id<'inv'>, at: Date): Promise<void> {
    const invoice = await this.final(tx, invoiceId)
    if (invoice.status !== 'open') return
    await invoices.changeInvoice(tx, invoiceId, { status: 'past_due' })
    await publish(tx, invoicePastDue, { invoiceId, at: at.toISOString() })
  }

  /** Gives up: what is due becomes bad debt, which is the operator's. */
  async markUncollectible(tx: Db, invoiceId: Id<'inv'>, at: Date): Promise<void> {
    const invoice = await this.final(tx, invoiceId)
    if (invoice.status !== 'open' && invoice.status !== 'past_due') return
    const { amountDue, currency } = invoice
    await this.ledger.post(tx, {
      ...{ kind: 'invoice.uncollectible', reference: invoiceId, at, currency },
      entries: [
        owedOn(invoice, -amountDue),
        { account: { type: 'bad_debt', ownerId: null }, amount: amountDue },
      ],
    })
    await invoices.changeInvoice(tx, invoiceId, { status: 'uncollectible' })
    await publish(tx, invoiceUncollectible, { invoiceId, at: at.toISOString() })
  }

  /**
   * Takes back an invoice of which nothing is paid or credited, as if it had not been; its number stays.
   * @throws InvoiceNotVoidable
   */
  async void(tx: Db, invoiceId: Id<'inv'>, at: Date): Promise<void> {
    const invoice = await this.final(tx, invoiceId)
    const { status, total, creditApplied, currency } = invoice
    if (status === 'void') return
    const isOwed = status === 'open' || status === 'past_due'
    if (!isOwed || invoice.amountPaid > 0n || invoice.amountCredited > 0n)
      throw new InvoiceNotVoidable(invoiceId, status)
    await this.ledger.post(tx, {
      ...{ kind: 'invoice.voided', reference: invoiceId, at, currency },
      entries: [
        ...taken(invoice, shareOf(invoice, 0n, total)),
        owedOn(invoice, creditApplied - total),
        toCredit(invoice, creditApplied),
      ],
    })
    await invoices.changeInvoice(tx, invoiceId, {
      ...{ status: 'void', amountRelieved: total - creditApplied },
    })
    await publish(tx, invoiceVoided, { invoiceId, at: at.toISOString() })
    await publish(tx, invoiceSettled, { invoiceId, at: at.toISOString() })
  }

  /**
   * Takes back a part of an invoice, or all of it: first what is still due, then what was paid, which
   * goes to the customer's credit.
   * @throws CreditExceedsInvoice
   */
  async credit(tx: Db, { invoiceId, amount, reason, at }: Credit): Promise<invoices.CreditNote> {
    const invoice = await this.final(tx, invoiceId)
    const left = creditable(invoice)
    if (amount <= 0n || amount > left) throw new CreditExceedsInvoice(invoiceId, left)
    const relieved = lesser(amount, invoice.amountDue)
    const parts = { relieved, toCredit: amount - relieved, refunded: 0n, refundId: null }
    const note = await this.issue(tx, invoice, parts, reason, at)
    await this.ledger.post(tx, {
      ...{ kind: 'invoice.credited', reference: note.id, at, currency: invoice.currency },
      entries: [
        ...taken(invoice, this.nextShare(invoice, amount)),
        owedOn(invoice, -relieved),
        toCredit(invoice, amount - relieved),
      ],
    })
    return note
  }

  /**
   * Money that has gone back: a credit note for it, and the ledger. What the invoice has no more to be
   * credited (its payment was partly turned into credit before) is taken from the customer's credit.
   * Whether so much was paid is for payments to see to.
   */
  async recordRefund(tx: Db, refund: PaidRefund): Promise<void> {
    const { invoiceId, refundId, amount, reason, at } = refund
    if (amount <= 0n) throw new RangeError(`a refund of ${amount}`)
    const invoice = await this.final(tx, invoiceId)
    const left = creditable(invoice)
    const refunded = lesser(amount, left)
    const share = refunded === 0n ? null : this.nextShare(invoice, refunded)
    const isNew = await this.ledger.post(tx, {
      ...{ kind: 'payment.refunded', reference: refundId, at, currency: invoice.currency },
      entries: [
        { account: { type: 'cash', ownerId: null }, amount: -amount },
        ...(share === null ? [] : taken(invoice, share)),
        toCredit(invoice, refunded - amount),
      ],
    })
    if (!isNew || share === null) return
    const parts = { relieved: 0n, toCredit: 0n, refunded, refundId }
    await this.issue(tx, invoice, parts, reason, at)
  }

  private nextShare(invoice: Invoice, amount: bigint) {
    return shareOf(invoice, invoice.amountCredited, invoice.amountCredited + amount)
  }

  private async issue(
    tx: Db,
    invoice: Invoice,
    parts: CreditParts,
    reason: string,
    at: Date,
  ): Promise<invoices.CreditNote> {
    const { id: invoiceId, currency } = invoice
    const { relieved } = parts
    const total = relieved + parts.toCredit + parts.refunded
    const { tax } = this.nextShare(invoice, total)
    const id = newId('crn', { now: () => at })
    await this.settle(
      tx,
      invoice,
      {
        amountCredited: invoice.amountCredited + total,
        amountRelieved: invoice.amountRelieved + relieved,
      },
      relieved,
      at,
    )
    await publish(tx, invoiceCredited, { invoiceId, creditNoteId: id, at: at.toISOString() })
    const sequence = await invoices.nextSequence(tx, 'credit_note', 1)
    const { numberPrefix } = this.settings().invoice
    return invoices.insertCreditNote(tx, {
      ...{ id, sequence, number: documentNumber(numberPrefix, 'credit_note', sequence) },
      ...{ invoiceId, reason, currency, total, tax, subtotal: total - tax, createdAt: at },
      ...parts,
    })
  }

  /** Writes down what settled a part of an invoice; with the last part it is paid. */
  private async settle(
    tx: Db,
    invoice: Invoice,
    change: Pick<invoices.InvoiceChange, 'amountPaid' | 'amountCredited' | 'amountRelieved'>,
    settled: bigint,
    at: Date,
  ): Promise<void> {
    const { id: invoiceId, status, amountDue } = invoice
    const isPaid = settled > 0n && settled === amountDue
    await invoices.changeInvoice(tx, invoiceId, {
      ...{ ...change, status: isPaid ? 'paid' : status },
      ...(isPaid && { paidAt: at }),
    })
    if (!isPaid) return
    await publish(tx, invoicePaid, { invoiceId, at: at.toISOString() })
    await publish(tx, invoiceSettled, { invoiceId, at: at.toISOString() })
  }

  /** @throws InvoiceUnknown, InvoiceNotFinal for a draft */
  private async final(tx: Db, invoiceId: Id<'inv'>): Promise<Invoice> {
    const invoice = await invoices.lockInvoice(tx, invoiceId)
    if (!invoice) throw new InvoiceUnknown(invoiceId)
    if (invoice.status === 'draft') throw new InvoiceNotFinal(invoiceId, invoice.status)
    return invoice
  }
}

/** What is left of an invoice for credit notes. */
const creditable = ({ status, total, amountCredited }: Invoice): bigint =>
  status === 'void' ? 0n : total - amountCredited

/** `Math.min` for bigints. */
function lesser(a: bigint, b: bigint): bigint {
  if (a < b) return a
  return b
}
