import type { Database, Sql } from '#db/client'
import { ensurePartitions } from '#db/migrate'
import { defineJob, type Job } from '#infra/cron'
import type { Clock } from '#lib/clock'
import { removeStrayFromBacklog } from './backlog-repository'
import { dropRecordsBefore, projectPeriods } from './upkeep-repository'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

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

/** Drops the weeks of which every call is older than so many days; counters and rollups stay. */
export const usageRetentionJob = (sql: Sql, retentionDays: number): Job =>
  defineJob({
    name: 'usage-retention',
    schedule: '47 1 * * *',
    run: async (now) => ({
      dropped: await dropRecordsBefore(sql, new Date(now.getTime() - retentionDays * DAY_MS)),
    }),
  })

/** Says of every running period what it will have used at its end, and tidies the backlog. */
export const usageRollupJob = ({ db, sql }: Database): Job =>
  defineJob({
    name: 'usage-rollup',
    schedule: '0 7 * * * *',
    run: async (now) => ({
      projected: await projectPeriods(sql, now),
      strays: await removeStrayFromBacklog(db, new Date(now.getTime() - HOUR_MS)),
    }),
  })
