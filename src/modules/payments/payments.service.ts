import type { Db } from '#db/client'
import { violates } from '#db/errors'
import { recordAudit } from '#infra/audit'
import { publish } from '#infra/queue'
import { type Actor, hasPermission } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { newId, parseId } from '#lib/id'
import { type PageRequest, toPage } from '#lib/page'
import { InvoiceNotFinal, InvoiceUnknown, type Settlement } from '#modules/billing'
import type { Collection } from './collection'
import {
  AmountExceedsDue,
  InvoiceSettled,
  NoPaymentMethod,
  PaymentDeclined,
  PaymentPending,
  PaymentReferenceKnown,
  PaymentsManual,
  PaymentUnknown,
  ProviderAway,
} from './errors'
import { paymentSucceeded } from './events'
import type { PaymentMethodService } from './methods.service'
import type { DueInvoice, Payment } from './payments.repository'
import * as payments from './payments.repository'
import { ProviderUnclear } from './provider-trouble'
import type { ManualPaymentInput } from './schemas'
import { paymentView } from './views'

/** What people do with payments. */
export class PaymentService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly settlement: Settlement,
    private readonly methods: PaymentMethodService,
    /** Null where payments are taken by hand. */
    private readonly collection: Collection | null,
  ) {}

  /** Your payments; those of everybody for who may read them all. */
  async list(actor: Actor, invoiceId: string | undefined, page: PageRequest) {
    const known = invoiceId === undefined ? null : parseId('inv', invoiceId)
    if (invoiceId !== undefined && !known) throw new InvoiceUnknown(invoiceId)
    const userId = readsAll(actor) ? null : actor.userId
    const rows = await payments.listPayments(this.db, { userId, invoiceId: known }, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map(paymentView), nextCursor }
  }

  async get(actor: Actor, id: string) {
    return paymentView(await this.readable(actor, id))
  }

  /** @throws PaymentUnknown also for somebody else's */
  async readable(actor: Actor, id: string): Promise<Payment> {
    const known = parseId('pay', id)
    const payment = known && (await payments.findPayment(this.db, known))
    const isReadable = payment?.userId === actor.userId || readsAll(actor)
    if (!payment || !isReadable) throw new PaymentUnknown(id)
    return payment
  }

  /**
   * Pays what is due of an invoice of one's own: with the newest card, or on a page of the provider's
   * where there is no card or `via` asks for it.
   * @throws PaymentDeclined (402)
   */
  async pay(actor: Actor, invoiceId: string, via?: 'card' | 'checkout') {
    const invoice = await this.ownInvoice(actor, invoiceId)
    if (!this.collection) throw new PaymentsManual()
    const hasCard = await this.methods.hasMethod(this.db, actor.userId)
    if (via === 'card' && !hasCard) throw new NoPaymentMethod()
    const paid = await this.attempt(
      this.collection,
      invoice,
      via ?? (hasCard ? 'card' : 'checkout'),
    )
    const { payment, url } = paid ?? { payment: null, url: null }
    if (!payment) throw new InvoiceSettled(invoiceId)
    if (payment.failureCode === 'provider_unavailable') throw new ProviderAway()
    if (payment.failureCode !== null) throw new PaymentDeclined(payment.id, payment.failureCode)
    return { ...paymentView(payment), checkoutUrl: url }
  }

  /** Notes a payment that came in another way, such as a bank transfer; the rest of it unless stated. */
  async markPaid(actor: Actor, invoiceId: string, { amount, reference }: ManualPaymentInput) {
    const known = parseId('inv', invoiceId)
    if (!known || !(await payments.findInvoice(this.db, known))) throw new InvoiceUnknown(invoiceId)
    const at = this.clock.now()
    try {
      return await this.db.transaction(async (tx) => {
        const invoice = payable(await payments.lockInvoice(tx, known))
        const pending = await payments.findPending(tx, known)
        if (pending) throw new PaymentPending(known, pending.id)
        const paid = amount === undefined ? invoice.amountDue : BigInt(amount)
        if (paid > invoice.amountDue) throw new AmountExceedsDue(known, invoice.amountDue)
        const payment = await payments.insertPayment(tx, {
          ...{ id: newId('pay', this.clock), invoiceId: known, userId: invoice.userId },
          ...{ provider: 'manual', channel: 'manual', status: 'succeeded', externalId: reference },
          ...{ currency: invoice.currency, amount: paid, createdAt: at, settledAt: at },
          attempt: (await payments.countAttempts(tx, known)) + 1,
        })
        await this.book(tx, actor, payment, at)
        return paymentView(payment)
      })
    } catch (error) {
      if (violates(error, 'payment_records_external')) throw new PaymentReferenceKnown(reference)
      throw error
    }
  }

  private async book(tx: Db, actor: Actor, payment: Payment, at: Date): Promise<void> {
    const { id: paymentId, invoiceId, amount, currency, externalId: reference } = payment
    await this.settlement.recordPayment(tx, { invoiceId, paymentId, amount, currency, at })
    await publish(tx, paymentSucceeded, { paymentId, invoiceId, at: at.toISOString() })
    await recordAudit(tx, {
      ...{ actorId: actor.userId, action: 'invoice.marked-paid', subjectId: invoiceId, at },
      details: { paymentId, amount: Number(amount), currency, reference },
    })
  }

  private async attempt(collection: Collection, { id }: DueInvoice, via: 'card' | 'checkout') {
    try {
      if (via === 'checkout') return await collection.checkout(id)
      await collection.closePage(id)
      return { payment: await collection.collect(id), url: null }
    } catch (error) {
      if (!(error instanceof ProviderUnclear)) throw error
      const payment = await payments.findPending(this.db, id)
      if (!payment || via === 'checkout') throw new ProviderAway()
      // What became of it is found out: the caller can watch it.
      return { payment, url: null }
    }
  }

  private async ownInvoice(actor: Actor, id: string): Promise<DueInvoice> {
    const known = parseId('inv', id)
    const invoice = known && (await payments.findInvoice(this.db, known))
    if (invoice?.userId !== actor.userId) throw new InvoiceUnknown(id)
    return payable(invoice)
  }
}

const readsAll = ({ roles }: Actor): boolean => hasPermission(roles, 'billing:audit')

function payable(invoice: DueInvoice): DueInvoice {
  const { id, status, amountDue } = invariant(invoice, 'an invoice')
  if (status === 'draft') throw new InvoiceNotFinal(id, status)
  if (amountDue === 0n) throw new InvoiceSettled(id)
  return invoice
}
