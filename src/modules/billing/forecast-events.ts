import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

/** If the period goes on as so far, its quota or spend cap will be reached before its end; once per period and limit. */
export const limitExpected = defineEvent(
  'usage.limit-expected',
  z.object({
    subscriptionId: idSchema('sub'),
    billingPeriodId: idSchema('per'),
    limit: z.enum(['quota', 'spend-cap']),
    /** Units so far, units that the limit allows, and units at the end of the period. */
    used: z.number(),
    allowed: z.number(),
    projected: z.number(),
    expectedAt: z.iso.datetime(),
    periodEnd: z.iso.datetime(),
  }),
  { history: true },
)
