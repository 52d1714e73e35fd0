import { z } from 'zod'
import { PLAN_CHANGE_KINDS } from '#db/schema/subscriptions'
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

/** Of its rate limits a percentage is left until the debt is paid. */
export const subscriptionRateLimited = defineEvent(
  'subscription.rate-limited',
  Happened.extend({ percent: z.int().min(1).max(100) }),
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

/** It has another plan from now on; the keys stay the same. */
export const subscriptionPlanChanged = defineEvent(
  'subscription.plan-changed',
  Happened.extend({ fromPlanId: idSchema('plan'), planId: idSchema('plan') }),
  { history: true },
)

/** It gets another plan at `effectiveAt`. */
export const planChangeScheduled = defineEvent(
  'subscription.plan-change-scheduled',
  Happened.extend({
    planId: idSchema('plan'),
    kind: z.enum(PLAN_CHANGE_KINDS),
    effectiveAt: z.iso.datetime(),
  }),
  { history: true },
)

/** It ends at `effectiveAt`. */
export const cancellationScheduled = defineEvent(
  'subscription.cancellation-scheduled',
  Happened.extend({ effectiveAt: z.iso.datetime() }),
  { history: true },
)

/** Neither the other plan nor the end will come. */
export const scheduledChangeWithdrawn = defineEvent(
  'subscription.scheduled-change-withdrawn',
  Happened,
  { history: true },
)

export const subscriptionPaused = defineEvent('subscription.paused', Happened, { history: true })

export const subscriptionResumed = defineEvent('subscription.resumed', Happened, { history: true })

/** The trial ends at `endsAt`, in three days. */
export const trialEnding = defineEvent(
  'subscription.trial-ending',
  Happened.extend({ endsAt: z.iso.datetime() }),
  { history: true },
)

/** It goes on as `active`, or is `suspended` until there is a payment method. */
export const trialEnded = defineEvent(
  'subscription.trial-ended',
  Happened.extend({ outcome: z.enum(['active', 'suspended']) }),
  { history: true },
)

/** Ended at once, with something to be given back; `amount` in minor units, above 0. */
export const refundDue = defineEvent(
  'subscription.refund-due',
  Happened.extend({
    adjustmentId: idSchema('adj'),
    amount: z.int().positive(),
    currency: z.string(),
    reason: z.literal('cancelled'),
  }),
  { history: true },
)
