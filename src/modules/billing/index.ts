export { BillingProfileService } from './billing-profile'
export { billingProfileRoutes } from './billing-profile.routes'
export { correctionRoutes, manualInvoiceRoutes } from './correction.routes'
export { CorrectionService } from './correction.service'
export { InvoiceNotFinal, InvoiceUnknown } from './errors'
export {
  invoiceCarriedToCredit,
  invoiceCollectionDue,
  invoiceCredited,
  invoiceFinalized,
  invoicePaid,
  invoicePastDue,
  invoiceSettled,
  invoiceUncollectible,
  invoiceVoided,
} from './events'
export { Finalization } from './finalization'
export { costProjectionJob, Forecasts } from './forecast'
export { limitExpected } from './forecast-events'
export { invoiceRoutes, subscriptionInvoiceRoutes } from './invoice.routes'
export { InvoiceService } from './invoice.service'
export { Invoicing } from './invoicing'
export {
  billingPeriodClosureJob,
  invoiceFinalizationJob,
  invoiceGenerationJob,
  invoiceReminderJob,
} from './jobs'
export { Reminders } from './reminders'
export { billingRoutes } from './routes'
export { RunningCostService } from './running-cost'
export type { BillingSettings } from './settings'
export { type Credit, type PaidRefund, type ReceivedPayment, Settlement } from './settlement'
export { SpendCapService } from './spend-cap'
export { TaxTable } from './tax'
export { InvoiceVerification } from './verification'
export { Vies } from './vies'
