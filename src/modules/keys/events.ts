import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

const KeyNews = z.object({ keyId: idSchema('key'), at: z.iso.datetime() })

/** `isFirst`: it came with its subscription. */
export const keyCreated = defineEvent('key.created', KeyNews.extend({ isFirst: z.boolean() }), {
  history: true,
})

export const keyRevoked = defineEvent('key.revoked', KeyNews, { history: true })

/** `keyId` ends at `endsAt`, or earlier once nobody uses it; `successorId` works. */
export const keyRotated = defineEvent(
  'key.rotated',
  KeyNews.extend({ successorId: idSchema('key'), endsAt: z.iso.datetime() }),
  { history: true },
)

/** Told once for each of 14, 7 and 1 days before, and once when it is overdue (`daysLeft` 0). */
export const keyRotationDue = defineEvent(
  'key.rotation-due',
  KeyNews.extend({ daysLeft: z.number().int().min(0), dueAt: z.iso.datetime() }),
  { history: true },
)
