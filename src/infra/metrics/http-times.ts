import type { Metrics } from './metrics'

export interface Answered {
  method: string
  /** With the names of its parameters; null where there is no such route. */
  route: string | null
  status: number
  ms: number
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** How long the REST API takes: by route, never by path, since there is no end of those. */
export function httpTimes(metrics: Metrics): (answered: Answered) => void {
  const times = metrics.histogram({
    name: 'veil_http_request_duration_seconds',
    help: 'From the arrival of a request to the end of its answer',
    ...{ labels: ['method', 'route', 'status'] as const, buckets: BUCKETS },
  })
  return ({ method, route, status, ms }) =>
    times.observe({ method, route: route ?? '(none)', status: String(status) }, ms / 1_000)
}
