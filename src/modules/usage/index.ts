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
export { usagePartitionsJob } from './jobs'
export { usageRoutes } from './routes'
export { UsageService } from './service'

/** Lets the worker book what the gateways report. */
export function registerUsage(worker: Worker, database: Database, clock: Clock): void {
  const recorder = new UsageRecorder(database.db, clock)
  worker.on(usageBatchReceived, async ({ events, deferrals }) => {
    await recorder.record(events, deferrals)
  })
}
