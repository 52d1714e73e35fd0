import { Cron } from 'croner'
import type { Leases } from '#infra/lock'
import type { Logger } from '#infra/logger'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { JobRunning, JobUnknown } from './errors'
import type { Job, JobCounts } from './job'
import type { JobRuns } from './job-runs'

export interface CronRunnerOptions {
  jobs: readonly Job[]
  leases: Leases
  clock: Clock
  logger: Logger
  /** Where runs are noted. */
  runs?: JobRuns
  /** A dead runner's job is free again after this many milliseconds. */
  leaseMs?: number
}

const LEASE_MS = 30_000

/** Runs jobs by their schedules. Among all processes a job runs at most once at a time. */
export class CronRunner {
  private readonly jobs: Map<string, Job>
  private readonly running = new Set<Promise<unknown>>()
  private timers: Cron[] = []

  constructor(private readonly options: CronRunnerOptions) {
    this.jobs = new Map(options.jobs.map((job) => [job.name, job]))
    if (this.jobs.size < options.jobs.length) throw new Error('two jobs have the same name')
  }

  start(): void {
    this.timers = [...this.jobs.values()].map(
      (job) =>
        new Cron(job.schedule, { timezone: 'UTC', protect: true }, () => this.runScheduled(job)),
    )
  }

  /** Starts nothing more and waits for what runs. */
  async stop(): Promise<void> {
    for (const timer of this.timers) timer.stop()
    this.timers = []
    await Promise.allSettled(this.running)
  }

  /**
   * Runs a job now.
   * @throws JobUnknown
   * @throws JobRunning while it runs, here or in another process
   */
  async runNow(name: string): Promise<JobCounts> {
    const job = this.jobs.get(name)
    if (!job) throw new JobUnknown(name)
    const ran = await this.run(job)
    if (!ran) throw new JobRunning(name)
    return ran.result
  }

  /** Every job, with the time of its next run. */
  list(): { name: string; schedule: string; nextAt: Date }[] {
    return [...this.jobs.values()].map(({ name, schedule }) => {
      const next = new Cron(schedule, { paused: true, timezone: 'UTC' }).nextRun()
      return { name, schedule, nextAt: invariant(next, `the next run of ${name}`) }
    })
  }

  private async runScheduled(job: Job): Promise<void> {
    try {
      await this.run(job)
    } catch (error) {
      // The next run is the retry.
      this.options.logger.error({ err: causeOf(error), job: job.name }, 'cron.job-failed')
    }
  }

  private run(job: Job): Promise<{ result: JobCounts } | null> {
    const { leases, leaseMs = LEASE_MS } = this.options
    const run = leases.withLease(`cron:${job.name}`, leaseMs, () => this.perform(job))
    this.running.add(run)
    const forget = () => void this.running.delete(run)
    run.then(forget, forget)
    return run
  }

  private async perform(job: Job): Promise<JobCounts> {
    const { clock, logger, runs } = this.options
    const began = performance.now()
    const startedAt = clock.now()
    const { name } = job
    const elapsed = () => Math.round(performance.now() - began)
    try {
      const counts = await job.run(startedAt)
      const ms = elapsed()
      logger.info({ job: name, ms, counts }, 'cron.job-ran')
      await runs?.record({ name, startedAt, ms, counts, error: null })
      return counts
    } catch (error) {
      // The failure itself matters more than that it cannot be noted.
      await runs
        ?.record({ name, startedAt, ms: elapsed(), counts: null, error: String(causeOf(error)) })
        .catch(() => undefined)
      throw error
    }
  }
}

/** A failed query says its parameters; its cause does not. */
const causeOf = (error: unknown): unknown =>
  error instanceof Error ? (error.cause ?? error) : error
