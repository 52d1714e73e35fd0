import type { Db } from '#db/client'
import { defineJob, type Job } from '#infra/cron'
import { deleteMails } from '#infra/mail'
import { deleteDeliveries } from './webhook.repository'

const DAY_MS = 86_400_000
const MAIL_DAYS = 90
const DELIVERY_DAYS = 30

/** Forgets what was told to people long ago. */
export const notificationsCleanupJob = (db: Db): Job =>
  defineJob({
    name: 'notifications-cleanup',
    schedule: '0 23 2 * * *',
    run: async (now) => ({
      mails: await deleteMails(db, new Date(now.getTime() - MAIL_DAYS * DAY_MS)),
      deliveries: await deleteDeliveries(db, new Date(now.getTime() - DELIVERY_DAYS * DAY_MS)),
    }),
  })
