import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

/** An event of Stripe's waits in the inbox. */
export const stripeEventReceived = defineEvent(
  'stripe-event.received',
  z.object({ inboxId: idSchema('whi') }),
)
