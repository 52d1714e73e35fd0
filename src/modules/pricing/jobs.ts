import type { Db } from '#db/client'
import { defineJob, type Job } from '#infra/cron'
import type { PricingSync } from './pricing-sync'
import { deleteUnused, lockPromotion, miscounted, recount } from './promotions.repository'

/** Ended promotions that nobody used stay for so long. */
const KEPT_DAYS = 90
const DAY_MS = 86_400_000

/**
 * Deletes old promotions that were never used, counts uses anew where subscriptions that never came to
 * be left theirs behind, and writes those of the file that waited for their API.
 */
export const promotionCleanupJob = (db: Db, sync: PricingSync): Job =>
  defineJob({
    name: 'promotion-cleanup',
    schedule: '0 7 3 * * *',
    run: async (now) => {
      await sync.apply()
      const codes = await miscounted(db)
      for (const code of codes)
        await db.transaction(async (tx) => {
          const promotion = await lockPromotion(tx, code)
          if (promotion) await recount(tx, promotion.id)
        })
      const deleted = await deleteUnused(db, new Date(now.getTime() - KEPT_DAYS * DAY_MS))
      return { deleted, recounted: codes.length }
    },
  })
