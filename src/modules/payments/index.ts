export { createPayments } from './create'
export { Dunning } from './dunning'
export { dunningRoutes } from './dunning.routes'
export { failureKind } from './dunning-rules'
export {
  disputeClosed,
  paymentDisputed,
  paymentDriftFound,
  paymentFailed,
  paymentRefunded,
  paymentSucceeded,
  refundFailed,
} from './events'
export { stripeInboxRoutes } from './inbox.routes'
export {
  dunningJob,
  paymentCollectionJob,
  paymentReconciliationJob,
  webhookInboxCleanupJob,
} from './jobs'
export { paymentMethodRoutes } from './methods.routes'
export {
  invoicePaymentRoutes,
  manualPaymentRoutes,
  paymentRoutes,
  refundRoutes,
} from './payments.routes'
export { registerPayments } from './register'
