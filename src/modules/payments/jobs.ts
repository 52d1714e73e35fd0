import type { Db } from '#db/client'
import { defineJob, type Job } from '#infra/cron'
import { deleteEvents } from './inbox.repository'

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
