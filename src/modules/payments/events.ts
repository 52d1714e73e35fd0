import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

/** An event of Stripe's waits in the inbox. */
export const stripeEventReceived = defineEvent(
  'stripe-event.received',
  z.object({ inboxId: idSchema('whi') }),
)

const ofPayment = z.object({
  ...{ paymentId: idSchema('pay'), invoiceId: idSchema('inv'), at: z.iso.datetime() },
})

/** Money came in for an invoice. */
export const paymentSucceeded = defineEvent('payment.succeeded', ofPayment, { history: true })

/** A try to get the money for an invoice failed. */
export const paymentFailed = defineEvent('invoice.payment-failed', ofPayment, { history: true })

/** Our books and the provider's differ, and it does not heal by itself. */
export const paymentDriftFound = defineEvent(
  'payment.drift-found',
  z.object({
    kind: z.enum([
      'payment_unknown',
      'payment_differs',
      'payment_missing',
      'refund_differs',
      'refund_missing',
    ]),
    /** The provider's id of what differs. */
    externalId: z.string(),
    at: z.iso.datetime(),
  }),
  { history: true },
)

const ofRefund = ofPayment.extend({ refundId: idSchema('ref') })
const ofDispute = ofPayment.extend({ disputeId: idSchema('dsp') })

/** Money is on its way back to whoever paid. */
export const paymentRefunded = defineEvent('payment.refunded', ofRefund, { history: true })

/** The bank would not take it back: what had left is the customer's credit. */
export const refundFailed = defineEvent('payment.refund-failed', ofRefund, { history: true })

/** The customer's bank has taken a payment back for the time being. */
export const paymentDisputed = defineEvent('payment.disputed', ofDispute, { history: true })

/** The bank has decided. */
export const disputeClosed = defineEvent('payment.dispute-closed', ofDispute, { history: true })
