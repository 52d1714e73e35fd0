export { registerEndings, type SubscriptionKeys } from './ending'
export {
  subscriptionCancelled,
  subscriptionCreated,
  subscriptionReinstated,
  subscriptionSuspended,
} from './events'
export { subscriptionRenewalJob } from './jobs'
export { Lifecycle } from './lifecycle'
export { ratedPeriod } from './periods'
export { RenewalService } from './renewal'
export { type Subscription, writeSpendCap } from './repository'
export { subscribeRoutes, subscriptionRoutes } from './routes'
export { SubscriptionParams } from './schemas'
export { SubscriptionService } from './service'
export { Timekeeper } from './timekeeper'
