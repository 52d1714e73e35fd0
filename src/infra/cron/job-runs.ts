import { asc, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { jobRuns } from '#db/schema/infra'
import type { JobCounts } from './job'

export interface JobRun {
  name: string
  startedAt: Date
  /** How long it took, in milliseconds. */
  ms: number
  /** What it did; null when it failed, with the error. */
  counts: JobCounts | null
  error: string | null
}

/** How each job's last run went, for whoever asks. */
export class JobRuns {
  constructor(private readonly db: Db) {}

  async record(run: JobRun): Promise<void> {
    const failed = run.error === null ? 0 : 1
    await this.db
      .insert(jobRuns)
      .values({ ...run, runs: 1, failures: failed })
      .onConflictDoUpdate({
        target: jobRuns.name,
        set: {
          ...run,
          runs: sql`${jobRuns.runs} + 1`,
          failures: sql`${jobRuns.failures} + ${failed}`,
        },
      })
  }

  list() {
    return this.db.select().from(jobRuns).orderBy(asc(jobRuns.name))
  }
}
