import { Cron } from 'croner'

/** What a run did, for the log: `{ opened: 3, failed: 0 }`. */
export type JobCounts = Record<string, number>

/** Recurring work. Any run may be cut off or come twice: the work itself must not mind. */
export interface Job {
  /** Lower-case words with hyphens. */
  name: string
  /** A cron pattern, with seconds if it has six fields; UTC. */
  schedule: string
  run(now: Date): Promise<JobCounts>
}

/**
 * Declares a job.
 * @throws Error for a pattern that cannot be read or never comes
 */
export function defineJob(job: Job): Job {
  // Some mistakes show only when the next run is asked for.
  const next = new Cron(job.schedule, { paused: true, timezone: 'UTC' }).nextRun()
  if (next === null) throw new Error(`the schedule of ${job.name} never comes: ${job.schedule}`)
  return job
}
