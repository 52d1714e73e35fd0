export { createPayments } from './create'
export {
  disputeClosed,
  paymentDisputed,
  paymentFailed,
  paymentRefunded,
  paymentSucceeded,
  refundFailed,
} from './events'
export { stripeInboxRoutes } from './inbox.routes'
export { paymentCollectionJob, webhookInboxCleanupJob } from './jobs'
export { paymentMethodRoutes } from './methods.routes'
export {
  invoicePaymentRoutes,
  manualPaymentRoutes,
  paymentRoutes,
  refundRoutes,
} from './payments.routes'
export { registerPayments } from './register'
