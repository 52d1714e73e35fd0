import type { Database } from '#db/client'
import type { Worker } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { usageBatchReceived } from './events'
import { GarbageCollection } from './garbage'
import type { BookedCalls } from './metrics'
import { UsageRecorder } from './recorder'

export { CompletenessService } from './completeness'
export { completenessRoutes } from './completeness.routes'
export { usageGapDetected } from './completeness-events'
export { usageCompletenessJob } from './completeness-job'
export { type UsageEvent, usageBatchReceived } from './events'
export { usagePartitionsJob, usageRetentionJob, usageRollupJob } from './jobs'
export { addBookings, addUsage, BookedCalls } from './metrics'
export { projectionOf } from './read-repository'
export { UsageReports } from './reports'
export { apiUsageRoutes, keyUsageRoutes, usageReportRoutes } from './reports.routes'
export { usageRoutes } from './routes'
export { UsageService } from './service'

/** Batches of a transaction, 1,000 calls each at most: the more, the fewer counters are moved for each. */
const BATCHES = 40
/** How long batches come together while there is no queue of them, for the same reason. */
const GATHER_MS = 300

/** Lets the worker book what the gateways report. */
export function registerUsage(
  worker: Worker,
  database: Database,
  clock: Clock,
  calls?: BookedCalls,
): void {
  const recorder = new UsageRecorder(database.db, clock, calls)
  const garbage = new GarbageCollection()
  worker.onBatch(
    usageBatchReceived,
    async (batches) => {
      await recorder.record(batches.map(({ id, payload }) => ({ id, ...payload })))
      garbage.after(batches.reduce((calls, { payload }) => calls + payload.events.length, 0))
    },
    { batchSize: BATCHES, gatherMs: GATHER_MS },
  )
}
