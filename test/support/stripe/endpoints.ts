import type { Book } from './book'
import type { Checkout } from './checkout'
import type { Form } from './form'
import type { Intents } from './intents'
import type { Methods } from './methods'
import type { Refunds } from './refunds'

export interface StripeEndpoint {
  method: 'GET' | 'POST'
  pattern: RegExp
  /** Parameters that it takes; any other is refused. */
  known: readonly string[]
  answer(id: string, form: Form): unknown
}

export interface Parts {
  book: Book
  intents: Intents
  methods: Methods
  refunds: Refunds
  checkout: Checkout
}

const PAGE = ['limit', 'starting_after', 'created.gte']

const AUTOMATIC = ['automatic_payment_methods.enabled', 'automatic_payment_methods.allow_redirects']
const INTENT = [
  ...AUTOMATIC,
  ...['amount', 'currency', 'customer', 'payment_method', 'confirm'],
  ...['off_session', 'description', 'metadata.*'],
]
const SESSION = [
  ...['mode', 'customer', 'success_url', 'cancel_url', 'expires_at', 'client_reference_id'],
  ...['line_items.#.quantity', 'line_items.#.price_data.currency', 'metadata.*'],
  ...['line_items.#.price_data.unit_amount', 'line_items.#.price_data.product_data.name'],
  ...['payment_intent_data.metadata.*', 'payment_intent_data.setup_future_usage'],
]

const endpoint = (
  method: 'GET' | 'POST',
  path: string,
  known: readonly string[],
  answer: (id: string, form: Form) => unknown,
): StripeEndpoint => ({
  ...{ method, known, answer },
  pattern: new RegExp(`^/v1${path.replace(':id', '([a-zA-Z0-9_]+)')}$`),
})

/** The part of Stripe's API that is played here. */
export const endpointsOf = ({ book, intents, methods, refunds, checkout }: Parts) => [
  endpoint('POST', '/customers', ['email', 'name', 'metadata.*'], (_, form) =>
    methods.createCustomer(form),
  ),
  endpoint('GET', '/customers/:id', [], (id) => book.get('customer', id)),
  endpoint('POST', '/setup_intents', ['customer', 'usage', 'metadata.*', ...AUTOMATIC], (_, form) =>
    methods.createSetup(form),
  ),
  endpoint('GET', '/setup_intents/:id', [], (id) => book.get('setup_intent', id)),
  endpoint('GET', '/payment_methods', ['customer', 'type', ...PAGE], (_, form) =>
    methods.list(form),
  ),
  endpoint('GET', '/payment_methods/:id', [], (id) => book.get('payment_method', id)),
  endpoint('POST', '/payment_methods/:id/detach', [], (id) => methods.detach(id)),
  endpoint('POST', '/payment_intents', INTENT, (_, form) => intents.create(form)),
  endpoint('GET', '/payment_intents', ['customer', ...PAGE], (_, form) =>
    book.page('payment_intent', form, ['customer']),
  ),
  endpoint('GET', '/payment_intents/:id', [], (id) => book.get('payment_intent', id)),
  endpoint(
    'POST',
    '/payment_intents/:id/confirm',
    ['payment_method', 'off_session', 'return_url'],
    (id, form) => intents.confirm(id, form),
  ),
  endpoint('POST', '/payment_intents/:id/cancel', ['cancellation_reason'], (id) =>
    intents.cancel(id),
  ),
  endpoint('POST', '/refunds', ['payment_intent', 'amount', 'reason', 'metadata.*'], (_, form) =>
    refunds.create(form),
  ),
  endpoint('GET', '/refunds', ['payment_intent', ...PAGE], (_, form) =>
    book.page('refund', form, ['payment_intent']),
  ),
  endpoint('GET', '/refunds/:id', [], (id) => book.get('refund', id)),
  endpoint('GET', '/charges', ['customer', 'payment_intent', ...PAGE], (_, form) =>
    book.page('charge', form, ['customer', 'payment_intent']),
  ),
  endpoint('GET', '/disputes', ['payment_intent', ...PAGE], (_, form) =>
    book.page('dispute', form, ['payment_intent']),
  ),
  endpoint('GET', '/disputes/:id', [], (id) => book.get('dispute', id)),
  endpoint('GET', '/balance_transactions', ['type', ...PAGE], (_, form) =>
    book.page('balance_transaction', form, ['type']),
  ),
  endpoint('POST', '/checkout/sessions', SESSION, (_, form) => checkout.create(form)),
  endpoint('GET', '/checkout/sessions/:id', [], (id) => book.get('checkout.session', id)),
  endpoint('POST', '/checkout/sessions/:id/expire', [], (id) => checkout.expire(id)),
]
