import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { CronRunner, JobRuns } from '#infra/cron'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'

/** Recurring work as an operator sees it. */
export class JobService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly runner: CronRunner,
    private readonly runs: JobRuns,
  ) {}

  async list() {
    const last = new Map((await this.runs.list()).map((run) => [run.name, run]))
    return this.runner.list().map(({ name, schedule, nextAt }) => {
      const run = last.get(name)
      return {
        ...{ name, schedule, nextAt: nextAt.toISOString() },
        lastRun: run
          ? { at: run.startedAt.toISOString(), ms: run.ms, counts: run.counts, error: run.error }
          : null,
        ...{ runs: run?.runs ?? 0, failures: run?.failures ?? 0 },
      }
    })
  }

  /** Runs a job here and now, whatever its schedule says. */
  async run({ userId: actorId }: Actor, name: string) {
    const counts = await this.runner.runNow(name)
    const at = this.clock.now()
    await recordAudit(this.db, { actorId, action: 'job.run', subjectId: name, details: counts, at })
    return { counts }
  }
}
