import { defineJob, type Job } from '#infra/cron'
import type { Finalization } from './finalization'
import type { Invoicing } from './invoicing'
import type { Reminders } from './reminders'

/** Closes periods that are over of subscriptions that are not renewed. */
export const billingPeriodClosureJob = (invoicing: Invoicing): Job =>
  defineJob({
    name: 'billing-period-closure',
    schedule: '30 */5 * * * *',
    run: (now) => invoicing.closePeriods(now),
  })

/** Makes drafts of all that is due. */
export const invoiceGenerationJob = (invoicing: Invoicing): Job =>
  defineJob({
    name: 'invoice-generation',
    schedule: '45 */5 * * * *',
    run: (now) => invoicing.generate(now),
  })

/** Gives drafts their tax and number; from then on they are as they are. */
export const invoiceFinalizationJob = (finalization: Finalization): Job =>
  defineJob({
    name: 'invoice-finalization',
    schedule: '50 */5 * * * *',
    run: (now) => finalization.finalizeAll(now),
  })

/** Reminds of what is soon due, and marks what is overdue. */
export const invoiceReminderJob = (reminders: Reminders): Job =>
  defineJob({
    name: 'invoice-reminder',
    schedule: '0 11 7 * * *',
    run: (now) => reminders.remind(now),
  })
