import { Cron } from 'croner'
import type { Leases } from '#infra/lock'
import type { Logger } from '#infra/logger'
import type { Clock } from '#lib/clock'
import { JobRunning, JobUnknown } from './errors'
import type { Job, JobCounts } from './job'

export interface CronRunnerOptions {
  jobs: readonly Job[]
  leases: Leases
  clock: Clock
  logger: Logger
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

  private async runScheduled(job: Job): Promise<void> {
    try {
      await this.run(job)
    } catch (error) {
      // The next run is the retry.
      const cause = error instanceof Error ? (error.cause ?? error) : error
      this.options.logger.error({ err: cause, job: job.name }, 'cron.job-failed')
    }
  }

  private run(job: Job): Promise<{ result: JobCounts } | null> {
    const { leases, clock, logger, leaseMs = LEASE_MS } = this.options
    const began = performance.now()
    const run = leases.withLease(`cron:${job.name}`, leaseMs, async () => {
      const counts = await job.run(clock.now())
      const ms = Math.round(performance.now() - began)
      logger.info({ job: job.name, ms, counts }, 'cron.job-ran')
      return counts
    })
    this.running.add(run)
    const forget = () => void this.running.delete(run)
    run.then(forget, forget)
    return run
  }
}
