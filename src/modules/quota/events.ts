import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

/** A subscription has used so many percent of its period's quota; once per period and threshold. */
export const quotaThresholdReached = defineEvent(
  'quota.threshold-reached',
  z.object({
    subscriptionId: idSchema('sub'),
    billingPeriodId: idSchema('per'),
    /** Percent. */
    threshold: z.number(),
    /** Units when it was crossed: of the transaction that crossed it, so maybe more than the threshold. */
    units: z.number(),
    /** Units of the quota. */
    included: z.number(),
  }),
  { history: true },
)
