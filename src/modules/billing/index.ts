export { billingRoutes } from './routes'
export { RunningCostService } from './running-cost'
export { SpendCapService } from './spend-cap'
