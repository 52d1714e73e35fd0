export { type CancellationParts, CancellationService } from './cancellation'
export { registerEndings, type SubscriptionKeys } from './ending'
export {
  cancellationScheduled,
  planChangeScheduled,
  refundDue,
  scheduledChangeWithdrawn,
  subscriptionCancelled,
  subscriptionCreated,
  subscriptionPaused,
  subscriptionPlanChanged,
  subscriptionRateLimited,
  subscriptionReinstated,
  subscriptionResumed,
  subscriptionSuspended,
  trialEnded,
  trialEnding,
} from './events'
export { scheduledPlanChangesJob, subscriptionRenewalJob, trialExpirationJob } from './jobs'
export { Lifecycle } from './lifecycle'
export { lifecycleRoutes, planChangeRoutes } from './lifecycle.routes'
export { PauseService } from './pause'
export type { SubscriptionPayments } from './payments'
export { ratedPeriod } from './periods'
export { type PlanChangeParts, PlanChangeService } from './plan-changes'
export { RenewalService } from './renewal'
export { type Subscription, writeSpendCap } from './repository'
export { subscribeRoutes, subscriptionRoutes } from './routes'
export { SubscriptionParams } from './schemas'
export { SubscriptionService } from './service'
export { Timekeeper } from './timekeeper'
export { TrialService } from './trials'
