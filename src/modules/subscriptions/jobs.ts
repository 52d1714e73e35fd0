import { defineJob, type Job } from '#infra/cron'
import type { RenewalService } from './renewal'
import type { TrialService } from './trials'

/** Opens the periods that are due; ends what has reached its end, and takes its keys off the gateways. */
export const subscriptionRenewalJob = (
  renewals: RenewalService,
  pushGateways: () => Promise<unknown>,
): Job =>
  defineJob({
    name: 'subscription-renewal',
    schedule: '15 * * * * *',
    run: async (now) => {
      const { opened } = await renewals.renewDue(now)
      const { settled } = await renewals.settleDue(now)
      if (settled > 0) await pushGateways()
      return { opened, settled }
    },
  })

/** Brings subscriptions to the plans that waited for the end of their periods. */
export const scheduledPlanChangesJob = (renewals: RenewalService): Job =>
  defineJob({
    name: 'scheduled-plan-changes',
    schedule: '5 * * * * *',
    run: (now) => renewals.changePlansDue(now),
  })

/** Ends trials by date and by usage; three days before, their ends are announced. */
export const trialExpirationJob = (
  trials: TrialService,
  pushGateways: () => Promise<unknown>,
): Job =>
  defineJob({
    name: 'trial-expiration',
    schedule: '25 * * * * *',
    run: async (now) => {
      const counts = await trials.runOnce(now)
      if (counts.expired > 0) await pushGateways()
      return counts
    },
  })
