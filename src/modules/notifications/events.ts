import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

/** A message waits for its endpoint. */
export const webhookDeliveryDue = defineEvent(
  'webhook.delivery-due',
  z.object({ deliveryId: idSchema('whd') }),
)
