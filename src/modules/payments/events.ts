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
