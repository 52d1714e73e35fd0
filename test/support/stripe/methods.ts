import type { Book, Thing } from './book'
import { TEST_CARDS } from './cards'
import { type Form, metadataOf, needed, text } from './form'
import { declined, invalid, StripeRefusal } from './refusal'

/** Customers, and the cards that they let us keep. */
export class Methods {
  constructor(private readonly book: Book) {}

  createCustomer(form: Form): Thing {
    const customer = this.book.add('customer', {
      ...{ email: text(form, 'email'), name: text(form, 'name'), metadata: metadataOf(form) },
    })
    this.book.events.emit('customer.created', customer)
    return customer
  }

  createSetup(form: Form): Thing {
    const customer = text(form, 'customer')
    if (customer) this.book.get('customer', customer)
    const setup = this.book.add('setup_intent', {
      ...{ customer, usage: text(form, 'usage') ?? 'off_session', payment_method: null },
      ...{ status: 'requires_payment_method', last_setup_error: null, client_secret: null },
      ...{ payment_method_types: ['card'] },
      metadata: metadataOf(form),
    })
    setup.client_secret = `${setup.id}_secret_fake`
    this.book.events.emit('setup_intent.created', setup)
    return setup
  }

  /** What the customer's browser does with the client secret. */
  confirmSetup(id: string, token: string): Thing {
    const setup = this.book.get('setup_intent', id)
    if (setup.status === 'succeeded') throw invalid('This SetupIntent has already succeeded.')
    const card = TEST_CARDS[token]
    if (!card) throw invalid(`No such PaymentMethod: '${token}'`)
    if (!card.attaches) {
      const error = declined(card.fate ?? 'generic_decline')
      setup.last_setup_error = error
      this.book.events.emit('setup_intent.setup_failed', setup)
      throw new StripeRefusal(402, { ...error, setup_intent: setup })
    }
    const method = this.keep(token, setup.customer)
    Object.assign(setup, { status: 'succeeded', payment_method: method.id })
    this.book.events.emit('setup_intent.succeeded', setup)
    return setup
  }

  /** Makes a payment method of a test card and gives it to a customer. */
  keep(token: string, customer: string | null): Thing {
    const card = TEST_CARDS[token]
    if (!card) throw invalid(`No such PaymentMethod: '${token}'`)
    const method = this.book.add('payment_method', {
      ...{ type: 'card', customer, billing_details: {}, metadata: {} },
      card: { brand: card.brand, last4: card.last4, exp_month: 12, exp_year: 2040 },
    })
    this.book.cards.set(method.id, { ...card })
    if (customer) this.book.events.emit('payment_method.attached', method)
    return method
  }

  detach(id: string): Thing {
    const method = this.book.get('payment_method', id)
    if (!method.customer)
      throw invalid('The payment method you provided is not attached to a customer.')
    method.customer = null
    this.book.events.emit('payment_method.detached', method)
    return method
  }

  list(query: Form) {
    this.book.get('customer', needed(query, 'customer'))
    return this.book.page('payment_method', query, ['customer', 'type'])
  }
}
