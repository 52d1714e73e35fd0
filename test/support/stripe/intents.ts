import type { Book, Thing } from './book'
import { type Form, integer, metadataOf, needed, text } from './form'
import { declined, invalid, StripeRefusal } from './refusal'

/** Payment intents: made, confirmed while the customer is away, cancelled. */
export class Intents {
  constructor(private readonly book: Book) {}

  create(form: Form): Thing {
    const amount = integer(needed(form, 'amount'), 'amount')
    if (amount < 1) throw invalid('This value must be greater than or equal to 1.')
    const customer = text(form, 'customer')
    if (customer) this.book.get('customer', customer)
    const method = text(form, 'payment_method')
    if (method) this.ofCustomer(method, customer)
    if (text(form, 'off_session') && text(form, 'confirm') !== 'true')
      throw invalid('off_session is only used with confirm=true.')
    const intent = this.book.add('payment_intent', {
      ...{ amount, amount_received: 0, currency: needed(form, 'currency').toLowerCase() },
      ...{ customer, payment_method: method, description: text(form, 'description') },
      ...{ payment_method_types: ['card'], latest_charge: null },
      ...{ last_payment_error: null, canceled_at: null, metadata: metadataOf(form) },
      status: method ? 'requires_confirmation' : 'requires_payment_method',
      client_secret: null,
    })
    intent.client_secret = `${intent.id}_secret_fake`
    this.book.events.emit('payment_intent.created', intent)
    return text(form, 'confirm') === 'true' ? this.confirm(intent.id, form) : intent
  }

  confirm(id: string, form: Form): Thing {
    const intent = this.book.get('payment_intent', id)
    const method = text(form, 'payment_method') ?? intent.payment_method
    if (!['requires_confirmation', 'requires_payment_method'].includes(intent.status))
      throw this.unexpected(intent, 'confirm')
    if (!method)
      throw invalid('You cannot confirm this PaymentIntent because it is missing a payment method.')
    this.ofCustomer(method, intent.customer)
    return this.charge(intent, method, text(form, 'off_session') === 'true')
  }

  /** Moves the money, or does not; a customer who is there authenticates. */
  charge(intent: Thing, method: string, isOffSession: boolean): Thing {
    const { fate } = this.book.cards.get(method) ?? { fate: null }
    const isPaid = fate === null || (fate === 'authentication_required' && !isOffSession)
    const charge = this.book.add('charge', {
      ...{ amount: intent.amount, amount_refunded: 0, currency: intent.currency },
      ...{ customer: intent.customer, payment_intent: intent.id, payment_method: method },
      ...{ paid: isPaid, captured: isPaid, refunded: false, disputed: false },
      ...{ status: isPaid ? 'succeeded' : 'failed', failure_code: fate && declined(fate).code },
      metadata: intent.metadata,
    })
    intent.latest_charge = charge.id
    if (isPaid) return this.succeed(intent, method, charge)
    const error = declined(fate ?? 'generic_decline')
    Object.assign(intent, {
      ...{ status: 'requires_payment_method', payment_method: null, last_payment_error: error },
    })
    this.book.events.emit('charge.failed', charge)
    this.book.events.emit('payment_intent.payment_failed', intent)
    throw new StripeRefusal(402, { ...error, payment_intent: intent })
  }

  cancel(id: string): Thing {
    const intent = this.book.get('payment_intent', id)
    if (['succeeded', 'canceled', 'processing'].includes(intent.status))
      throw this.unexpected(intent, 'cancel')
    Object.assign(intent, { status: 'canceled', canceled_at: this.book.now() })
    this.book.events.emit('payment_intent.canceled', intent)
    return intent
  }

  private succeed(intent: Thing, method: string, charge: Thing): Thing {
    Object.assign(intent, {
      ...{ status: 'succeeded', amount_received: intent.amount, payment_method: method },
      last_payment_error: null,
    })
    this.book.add('balance_transaction', {
      ...{ type: 'charge', amount: intent.amount, currency: intent.currency, source: charge.id },
    })
    this.book.events.emit('charge.succeeded', charge)
    this.book.events.emit('payment_intent.succeeded', intent)
    return intent
  }

  private ofCustomer(methodId: string, customer: string | null): void {
    const method = this.book.get('payment_method', methodId)
    if (method.customer !== customer)
      throw invalid(
        `The provided PaymentMethod (${methodId}) does not belong to the Customer of this PaymentIntent.`,
      )
  }

  private unexpected(intent: Thing, verb: string): StripeRefusal {
    return new StripeRefusal(400, {
      ...{ type: 'invalid_request_error', code: 'payment_intent_unexpected_state' },
      message: `You cannot ${verb} this PaymentIntent because it has a status of ${intent.status}.`,
      payment_intent: intent,
    })
  }
}
