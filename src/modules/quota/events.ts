import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import type { Id } from '#lib/id'

const id = <P extends string>(prefix: P) =>
  z.custom<`${P}_${string}`>(
    (value) => typeof value === 'string' && value.startsWith(`${prefix}_`),
    { error: `is not an id with ${prefix}_` },
  )

/** A subscription has used so many percent of its period's quota; once per period and threshold. */
export const quotaThresholdReached = defineEvent(
  'quota.threshold-reached',
  z.object({
    subscriptionId: id('sub') satisfies z.ZodType<Id<'sub'>>,
    billingPeriodId: id('per') satisfies z.ZodType<Id<'per'>>,
    /** Percent. */
    threshold: z.number(),
    /** Units when it was crossed: of the transaction that crossed it, so maybe more than the threshold. */
    units: z.number(),
    /** Units of the quota. */
    included: z.number(),
  }),
)
