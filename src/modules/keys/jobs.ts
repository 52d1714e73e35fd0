import type { Db } from '#db/client'
import { defineJob, type Job } from '#infra/cron'
import { endIdleRotations, expireDue } from './expiry'
import { remindOfRotation } from './reminders'
import { type VerifiedParts, verifyKeys } from './verification'

/** Writes down which keys are over and takes them out of the gateways. */
export const expiredKeyCleanupJob = (db: Db, pushGateways: () => Promise<unknown>): Job =>
  defineJob({
    name: 'expired-key-cleanup',
    schedule: '40 * * * * *',
    run: async (now) => {
      const expired = await expireDue(db, now)
      const idle = await endIdleRotations(db, now)
      if (expired + idle > 0) await pushGateways()
      return { expired, idle }
    },
  })

/** Reminds of keys that are to be rotated; only their owners can do it (docs/decisions/0015). */
export const keyRotationJob = (db: Db): Job =>
  defineJob({
    name: 'key-rotation',
    schedule: '0 19 6 * * *',
    run: async (now) => ({ reminded: await remindOfRotation(db, now) }),
  })

/** Asks every edge and every gateway what it thinks of some keys, and says loudly where it is mistaken. */
export const keyVerificationJob = (parts: VerifiedParts): Job =>
  defineJob({
    name: 'key-verification',
    schedule: '0 31 4 * * *',
    run: (now) => verifyKeys(parts, now),
  })
