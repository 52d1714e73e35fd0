import type { Book, Thing } from './book'
import { type Form, integer, metadataOf, needed, text } from './form'
import { invalid } from './refusal'

const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer']

/** Refunds and disputes: money that goes back. */
export class Refunds {
  constructor(private readonly book: Book) {}

  create(form: Form): Thing {
    const intent = this.book.get('payment_intent', needed(form, 'payment_intent'))
    const reason = text(form, 'reason')
    if (reason !== null && !REASONS.includes(reason)) throw invalid(`Invalid reason: ${reason}`)
    if (intent.status !== 'succeeded')
      throw invalid('This PaymentIntent does not have a successful charge to refund.')
    const charge = this.book.get('charge', intent.latest_charge)
    const left = charge.amount - charge.amount_refunded
    const amount = form.amount === undefined ? left : integer(form.amount, 'amount')
    if (charge.disputed) throw invalid('Charge has been charged back.', 'charge_disputed')
    if (left === 0)
      throw invalid(`Charge ${charge.id} has already been refunded.`, 'charge_already_refunded')
    if (amount < 1 || amount > left)
      throw invalid(`Refund amount (${amount}) is greater than unrefunded amount on charge.`)
    const { refunds } = this.book.cards.get(charge.payment_method) ?? { refunds: 'succeeded' }
    const refund = this.book.add('refund', {
      ...{ amount, currency: charge.currency, charge: charge.id, payment_intent: intent.id },
      ...{ reason, metadata: metadataOf(form), failure_reason: null },
      status: refunds === 'pending' ? 'pending' : 'succeeded',
    })
    this.take(charge, amount)
    this.book.events.emit('refund.created', refund)
    this.book.events.emit('charge.refunded', charge)
    return refund
  }

  /** What happens at the bank later: a pending refund arrives, or one comes back. */
  finish(id: string, status: 'succeeded' | 'failed'): void {
    const refund = this.book.get('refund', id)
    refund.status = status
    if (status === 'failed') {
      refund.failure_reason = 'expired_or_canceled_card'
      this.take(this.book.get('charge', refund.charge), -refund.amount)
    }
    this.book.events.emit(status === 'failed' ? 'refund.failed' : 'refund.updated', refund)
  }

  /** The customer's bank takes the money back for now. */
  dispute(intentId: string, reason = 'fraudulent'): Thing {
    const intent = this.book.get('payment_intent', intentId)
    const charge = this.book.get('charge', intent.latest_charge)
    charge.disputed = true
    const dispute = this.book.add('dispute', {
      ...{ amount: charge.amount - charge.amount_refunded, currency: charge.currency, reason },
      ...{ charge: charge.id, payment_intent: intentId, status: 'needs_response', metadata: {} },
    })
    this.book.events.emit('charge.dispute.created', dispute)
    return dispute
  }

  closeDispute(id: string, status: 'won' | 'lost'): void {
    const dispute = this.book.get('dispute', id)
    dispute.status = status
    if (status === 'won') this.book.get('charge', dispute.charge).disputed = false
    this.book.events.emit('charge.dispute.closed', dispute)
  }

  private take(charge: Thing, amount: number): void {
    charge.amount_refunded += amount
    charge.refunded = charge.amount_refunded === charge.amount
    this.book.add('balance_transaction', {
      ...{ type: 'refund', amount: -amount, currency: charge.currency, source: charge.id },
    })
  }
}
