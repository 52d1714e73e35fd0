import type { Db } from '#db/client'
import type { Logger } from '#infra/logger'
import type { Clock } from '#lib/clock'
import type { AtFailpoint } from '#lib/failpoint'
import type { Settlement } from '#modules/billing'
import type { Ledger } from '#modules/ledger'
import { Collection } from './collection'
import { CreditRefunds } from './credit-refunds'
import { Disputes } from './disputes'
import * as methods from './methods.repository'
import { PaymentMethodService } from './methods.service'
import { findByExternalId } from './payments.repository'
import { PaymentService } from './payments.service'
import { Reconciliation } from './reconciliation'
import { RefundSettler } from './refund-settler'
import { RefundService } from './refunds.service'
import { PaymentSettler } from './settler'
import { StripeApi, type StripeSettings } from './stripe'
import { type StripeEventHandlers, StripeInbox } from './stripe-inbox'

export interface PaymentsParts {
  db: Db
  clock: Clock
  logger: Logger
  settlement: Settlement
  ledger: Ledger
  reached: AtFailpoint
  /** Null where payments are taken by hand. */
  stripe: StripeSettings | null
  returnUrl: string
}

/** Builds the services of this module. */
export function createPayments(parts: PaymentsParts) {
  const { db, clock, settlement, ledger } = parts
  const stripe = parts.stripe && new StripeApi(parts.stripe)
  const paymentMethods = new PaymentMethodService(db, clock, stripe)
  const settler = new PaymentSettler(db, clock, settlement)
  const collection =
    stripe && new Collection({ ...parts, stripe, methods: paymentMethods, settler })
  const payments = new PaymentService(db, clock, settlement, paymentMethods, collection)
  const refundSettler = new RefundSettler(db, clock, settlement, ledger)
  const refunds = new RefundService({ ...parts, stripe, settler: refundSettler, payments })
  const creditRefunds = new CreditRefunds({ ...parts, refunds })
  const reconciliation =
    stripe && collection && new Reconciliation({ db, stripe, collection, refunds })
  const disputes = stripe && new Disputes(db, clock, ledger, stripe)
  const known = { db, paymentMethods, collection, refunds, disputes }
  const stripeInbox = new StripeInbox(db, clock, stripe, handlersOf(known))
  return {
    paymentMethods,
    payments,
    collection,
    refunds,
    creditRefunds,
    reconciliation,
    stripeInbox,
  }
}

interface Known {
  db: Db
  paymentMethods: PaymentMethodService
  collection: Collection | null
  refunds: RefundService
  disputes: Disputes | null
}

/** What is to be done about which event of Stripe's: look there, and write down what is so now. */
function handlersOf({ db, paymentMethods, ...known }: Known): StripeEventHandlers {
  const syncCards: StripeEventHandlers[string] = async ({ object, id, customer }) => {
    const owner =
      customer ?? (object === 'customer' ? id : await methods.findCustomerOfMethod(db, id))
    if (owner !== null) await paymentMethods.sync(owner)
  }
  const lookAtPayment: StripeEventHandlers[string] = async ({ id }) => {
    const payment = await findByExternalId(db, id)
    if (payment) await known.collection?.advance(payment)
  }
  const lookAtRefunds: StripeEventHandlers[string] = async ({ paymentIntent }) => {
    const payment = paymentIntent && (await findByExternalId(db, paymentIntent))
    if (payment) await known.refunds.sync(payment)
  }
  return {
    'payment_intent.': lookAtPayment,
    'checkout.session.': lookAtPayment,
    'charge.dispute.': async ({ id }) => known.disputes?.sync(id),
    'charge.refund': lookAtRefunds,
    'refund.': lookAtRefunds,
    'setup_intent.succeeded': syncCards,
    'payment_method.': syncCards,
    'customer.': syncCards,
  }
}
