import type { Db } from '#db/client'
import type { Clock } from '#lib/clock'
import * as methods from './methods.repository'
import { PaymentMethodService } from './methods.service'
import { StripeApi, type StripeSettings } from './stripe'
import { type StripeEventHandlers, StripeInbox } from './stripe-inbox'

export interface PaymentsParts {
  db: Db
  clock: Clock
  /** Null where payments are taken by hand. */
  stripe: StripeSettings | null
}

export type Payments = ReturnType<typeof createPayments>

/** Builds the services of this module. */
export function createPayments({ db, clock, stripe: settings }: PaymentsParts) {
  const stripe = settings && new StripeApi(settings)
  const paymentMethods = new PaymentMethodService(db, clock, stripe)
  const syncCards: StripeEventHandlers[string] = async ({ object, id, customer }) => {
    const known =
      customer ?? (object === 'customer' ? id : await methods.findCustomerOfMethod(db, id))
    if (known !== null) await paymentMethods.sync(known)
  }
  const stripeInbox = new StripeInbox(db, clock, stripe, {
    'setup_intent.succeeded': syncCards,
    'payment_method.': syncCards,
    'customer.': syncCards,
  })
  return { paymentMethods, stripeInbox }
}
