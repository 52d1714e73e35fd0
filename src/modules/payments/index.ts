export { createPayments } from './create'
export { stripeInboxRoutes } from './inbox.routes'
export { webhookInboxCleanupJob } from './jobs'
export { paymentMethodRoutes } from './methods.routes'
