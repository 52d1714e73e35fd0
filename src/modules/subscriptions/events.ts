import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

/** The subscription stands: the gateway takes calls with its first key. */
export const subscriptionCreated = defineEvent(
  'subscription.created',
  z.object({ subscriptionId: idSchema('sub'), at: z.iso.datetime() }),
  { history: true },
)
