import { defineJob, type Job } from '#infra/cron'
import type { CompletenessService } from './completeness'

/** Notices what did not arrive of the gateways' numbers, and asks for it. */
export const usageCompletenessJob = (completeness: CompletenessService): Job =>
  defineJob({
    name: 'usage-completeness',
    schedule: '30 * * * * *',
    run: (now) => completeness.check(now),
  })
