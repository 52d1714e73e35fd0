export { type CancellationParts, CancellationService } from './cancellation'
export { registerEndings, type SubscriptionKeys } from './ending'
export {
  cancellationScheduled,
  planChangeScheduled,
  scheduledChangeWithdrawn,
  subscriptionCancelled,
  subscriptionCreated,
  subscriptionPaused,
  subscriptionPlanChanged,
  subscriptionReinstated,
  subscriptionResumed,
  subscriptionSuspended,
} from './events'
export { scheduledPlanChangesJob, subscriptionRenewalJob } from './jobs'
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
