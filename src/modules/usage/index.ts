import type { Database } from '#db/client'
import type { Worker } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { usageBatchReceived } from './events'
import { UsageRecorder } from './recorder'

export { CompletenessService } from './completeness'
export { completenessRoutes } from './completeness.routes'
export { usageGapDetected } from './completeness-events'
export { usageCompletenessJob } from './completeness-job'
export { type UsageEvent, usageBatchReceived } from './events'
export { usagePartitionsJob, usageRetentionJob, usageRollupJob } from './jobs'
export { projectionOf } from './read-repository'
export { UsageReports } from './reports'
export { apiUsageRoutes, keyUsageRoutes, usageReportRoutes } from './reports.routes'
export { usageRoutes } from './routes'
export { UsageService } from './service'

/** Batches of a transaction, 1,000 calls each at most: more would gain little and hold much memory. */
const BATCHES = 16
/** How long batches come together: a counter that is moved once for many calls costs less than for each. */
const GATHER_MS = 200

/** Lets the worker book what the gateways report. */
export function registerUsage(worker: Worker, database: Database, clock: Clock): void {
  const recorder = new UsageRecorder(database.db, clock)
  worker.onBatch(
    usageBatchReceived,
    (batches) => recorder.record(batches.map(({ id, payload }) => ({ id, ...payload }))),
    { batchSize: BATCHES, gatherMs: GATHER_MS },
  )
}
