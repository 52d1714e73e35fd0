export { type Answered, httpTimes } from './http-times'
export { Metrics, type Sample } from './metrics'
export { MetricsServer } from './server'
