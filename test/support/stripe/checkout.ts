import type { Book, Thing } from './book'
import { type Form, integer, metadataOf, needed, text } from './form'
import type { Intents } from './intents'
import type { Methods } from './methods'
import { invalid } from './refusal'

/** Pages of Stripe's on which a customer pays. */
export class Checkout {
  constructor(
    private readonly book: Book,
    private readonly intents: Intents,
    private readonly methods: Methods,
  ) {}

  create(form: Form): Thing {
    if (needed(form, 'mode') !== 'payment') throw invalid('Only mode=payment is known here.')
    const success = needed(form, 'success_url')
    if (!URL.canParse(success)) throw invalid('Not a valid URL', 'url_invalid')
    const customer = text(form, 'customer')
    if (customer) this.book.get('customer', customer)
    const now = this.book.now()
    const expires = form.expires_at === undefined ? now + 86_400 : integer(form.expires_at, 'x')
    if (expires < now + 1_800 || expires > now + 86_400)
      throw invalid('The `expires_at` timestamp must be from 30 minutes to 24 hours from now.')
    const [item] = (form.line_items ?? []) as Form[]
    const price = (item?.price_data ?? {}) as Form
    const data = (form.payment_intent_data ?? {}) as Form
    const session = this.book.add('checkout.session', {
      ...{ mode: 'payment', status: 'open', payment_status: 'unpaid', customer },
      ...{ amount_total: integer(price.unit_amount, 'unit_amount') * Number(item?.quantity ?? 1) },
      ...{ currency: needed(price, 'currency'), payment_intent: null, expires_at: expires },
      ...{ metadata: metadataOf(form), intent_data: data, url: null },
      client_reference_id: text(form, 'client_reference_id'),
    })
    session.url = `https://checkout.stripe.test/c/pay/${session.id}`
    return session
  }

  /** What the customer does on the page. */
  pay(id: string, token: string): Thing {
    const session = this.book.get('checkout.session', id)
    if (session.status !== 'open') throw invalid(`This Checkout Session is ${session.status}.`)
    const method = this.methods.keep(token, session.customer)
    const intent = this.intents.create({
      ...{ amount: String(session.amount_total), currency: session.currency },
      ...(session.customer && { customer: session.customer }),
      ...{ payment_method: method.id, metadata: metadataOf(session.intent_data) },
    })
    this.intents.charge(intent, method.id, false)
    Object.assign(session, {
      ...{ status: 'complete', payment_status: 'paid', payment_intent: intent.id, url: null },
    })
    this.book.events.emit('checkout.session.completed', session)
    return session
  }

  expire(id: string): Thing {
    const session = this.book.get('checkout.session', id)
    if (session.status !== 'open')
      throw invalid(`Only Checkout Sessions with a status in ["open"] can be expired.`)
    Object.assign(session, { status: 'expired', url: null })
    this.book.events.emit('checkout.session.expired', session)
    return session
  }
}
