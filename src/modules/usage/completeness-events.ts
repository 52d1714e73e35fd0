import { z } from 'zod'
import { defineEvent } from '#infra/queue'

/** A gap in the numbers of a gateway did not close by itself; its calls may be lost. */
export const usageGapDetected = defineEvent(
  'usage.gap-detected',
  z.object({
    gatewayId: z.string(),
    first: z.int().positive(),
    last: z.int().positive(),
    /** When it was noticed. */
    since: z.iso.datetime(),
  }),
  { history: true },
)
