export { runningCostRoutes } from './routes'
export { RunningCostService } from './running-cost'
