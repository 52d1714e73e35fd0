import type { Sql } from '#db/client'
import { ensurePartitions } from '#db/migrate'
import { defineJob, type Job } from '#infra/cron'
import type { Clock } from '#lib/clock'

/** Makes the ledger's partitions ahead of time; they reach a month, so a missed day does no harm. */
export const usagePartitionsJob = (sql: Sql, clock: Clock): Job =>
  defineJob({
    name: 'usage-partitions',
    schedule: '17 1 * * *',
    run: async () => {
      await ensurePartitions(sql, clock)
      return { ensured: 1 }
    },
  })
