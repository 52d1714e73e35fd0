export {
  invoiceCollectionDue,
  invoiceCredited,
  invoiceFinalized,
  invoicePaid,
  invoicePastDue,
  invoiceUncollectible,
  invoiceVoided,
} from './events'
export { billingRoutes } from './routes'
export { RunningCostService } from './running-cost'
export { type BillingSettings, DEFAULT_SETTINGS } from './settings'
export { type Credit, type PaidRefund, type ReceivedPayment, Settlement } from './settlement'
export { SpendCapService } from './spend-cap'
