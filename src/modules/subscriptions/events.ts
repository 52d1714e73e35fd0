import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

const Happened = z.object({ subscriptionId: idSchema('sub'), at: z.iso.datetime() })

/** The subscription stands: the gateway takes calls with its first key. */
export const subscriptionCreated = defineEvent('subscription.created', Happened, { history: true })

/** Its keys are refused until the debt is paid, or a payment method is there after a trial. */
export const subscriptionSuspended = defineEvent(
  'subscription.suspended',
  Happened.extend({ reason: z.enum(['debt', 'trial']) }),
  { history: true },
)

/** The debt is paid: everything is as it was. */
export const subscriptionReinstated = defineEvent('subscription.reinstated', Happened, {
  history: true,
})

/** It has ended, and its keys are revoked. */
export const subscriptionCancelled = defineEvent(
  'subscription.cancelled',
  Happened.extend({ reason: z.enum(['asked', 'debt', 'trial']) }),
  { history: true },
)
