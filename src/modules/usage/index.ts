import type { Database } from '#db/client'
import type { Worker } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { usageBatchReceived } from './events'
import { UsageRecorder } from './recorder'

export { type UsageEvent, usageBatchReceived } from './events'
export { usagePartitionsJob } from './jobs'
export { usageRoutes } from './routes'
export { UsageService } from './service'

/** Batches of a transaction, 1,000 calls each at most: more would gain little and hold much memory. */
const BATCHES = 25
/** While one transaction waits for Postgres, the next one is prepared. */
const TRANSACTIONS = 2

/** Lets the worker book what the gateways report. */
export function registerUsage(worker: Worker, database: Database, clock: Clock): void {
  const recorder = new UsageRecorder(database.db, clock)
  worker.onBatch(
    usageBatchReceived,
    (batches) => recorder.record(batches.map(({ payload }) => payload)),
    { batchSize: BATCHES, concurrency: TRANSACTIONS },
  )
}
