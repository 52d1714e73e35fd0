export type { Subscription } from './repository'
export { subscribeRoutes, subscriptionRoutes } from './routes'
export { SubscriptionParams } from './schemas'
export { type SubscriptionKeys, SubscriptionService } from './service'
