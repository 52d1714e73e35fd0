import type { Db } from '#db/client'
import { defineJob, type Job } from '#infra/cron'
import type { Collection } from './collection'
import type { Dunning } from './dunning'
import { deleteEvents } from './inbox.repository'
import type { Reconciliation } from './reconciliation'
import type { RefundService } from './refunds.service'

/** By then whoever began a payment has finished it, or has died. */
const LEFT_BEHIND_MS = 60_000

/** Goes on with payments that were left under way, and collects what nobody has tried to. */
export const paymentCollectionJob = (collection: Collection | null, refunds: RefundService): Job =>
  defineJob({
    name: 'payment-collection',
    schedule: '20 */5 * * * *',
    run: async (now) => {
      if (!collection) return {}
      const before = new Date(now.getTime() - LEFT_BEHIND_MS)
      return { ...(await collection.resume(before)), ...(await refunds.resume(before)) }
    },
  })

/** Does today's part of every debt. */
export const dunningJob = (dunning: Dunning): Job =>
  defineJob({ name: 'dunning', schedule: '0 13 * * * *', run: (now) => dunning.runOnce(now) })

/** Compares payments and refunds with the provider's lists. */
export const paymentReconciliationJob = (reconciliation: Reconciliation | null): Job =>
  defineJob({
    name: 'payment-reconciliation',
    schedule: '0 17 3 * * *',
    run: async (now) => (reconciliation ? reconciliation.reconcile(now) : {}),
  })

const DAY_MS = 86_400_000
/** Stripe itself forgets events after 30 days. */
const INBOX_DAYS = 90

/** Forgets what providers told long ago. */
export const webhookInboxCleanupJob = (db: Db): Job =>
  defineJob({
    name: 'webhook-inbox-cleanup',
    schedule: '0 29 2 * * *',
    run: async (now) => ({
      deleted: await deleteEvents(db, new Date(now.getTime() - INBOX_DAYS * DAY_MS)),
    }),
  })
