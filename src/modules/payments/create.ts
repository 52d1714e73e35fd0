import type { Db } from '#db/client'
import type { Clock } from '#lib/clock'
import type { AtFailpoint } from '#lib/failpoint'
import type { Settlement } from '#modules/billing'
import { Collection } from './collection'
import * as methods from './methods.repository'
import { PaymentMethodService } from './methods.service'
import { findByExternalId } from './payments.repository'
import { PaymentService } from './payments.service'
import { PaymentSettler } from './settler'
import { StripeApi, type StripeSettings } from './stripe'
import { type StripeEventHandlers, StripeInbox } from './stripe-inbox'

export interface PaymentsParts {
  db: Db
  clock: Clock
  settlement: Settlement
  reached: AtFailpoint
  /** Null where payments are taken by hand. */
  stripe: StripeSettings | null
  returnUrl: string
}

/** Builds the services of this module. */
export function createPayments(parts: PaymentsParts) {
  const { db, clock, settlement } = parts
  const stripe = parts.stripe && new StripeApi(parts.stripe)
  const paymentMethods = new PaymentMethodService(db, clock, stripe)
  const settler = new PaymentSettler(db, clock, settlement)
  const collection =
    stripe && new Collection({ ...parts, stripe, methods: paymentMethods, settler })
  const payments = new PaymentService(db, clock, settlement, paymentMethods, collection)
  const handlers = collection ? handlersOf(db, paymentMethods, collection) : {}
  const stripeInbox = new StripeInbox(db, clock, stripe, handlers)
  return { paymentMethods, payments, collection, stripeInbox }
}

/** What is to be done about which event of Stripe's: look there, and write down what is so now. */
function handlersOf(
  db: Db,
  cards: PaymentMethodService,
  collection: Collection,
): StripeEventHandlers {
  const syncCards: StripeEventHandlers[string] = async ({ object, id, customer }) => {
    const known =
      customer ?? (object === 'customer' ? id : await methods.findCustomerOfMethod(db, id))
    if (known !== null) await cards.sync(known)
  }
  const lookAtPayment: StripeEventHandlers[string] = async ({ id }) => {
    const payment = await findByExternalId(db, id)
    if (payment) await collection.advance(payment)
  }
  return {
    'payment_intent.': lookAtPayment,
    'checkout.session.': lookAtPayment,
    'setup_intent.succeeded': syncCards,
    'payment_method.': syncCards,
    'customer.': syncCards,
  }
}
