export type { Discount } from './engine/adjustments'
export { type Line, totalOf } from './engine/line'
export type { RatedPeriod } from './engine/period'
export { pricingFileBroken } from './events'
export { readInForce } from './in-force'
export { promotionCleanupJob } from './jobs'
export { pricingDiff } from './pricing-diff'
export { PricingFileError, type PricingSettings } from './pricing-file'
export { PricingSource, readPricingFile } from './pricing-source'
export { PricingSync } from './pricing-sync'
export { PromotionService } from './promotions'
export { promotionAdminRoutes, promotionRoutes } from './promotions.routes'
export {
  advanceLines,
  arrearsLines,
  capOf,
  costView,
  periodLines,
  unitsWithinCap,
  wholePeriod,
} from './rating'
export { type EdgeTerms, type Plan, type Terms, termsByIds } from './repository'
export { pricingRoutes } from './routes'
export { CostView, PlanBody, type PlanInput, PlanView } from './schemas'
export { PricingService } from './service'
export { SimulationService } from './simulation'
