import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

const KeyNews = z.object({ keyId: idSchema('key'), at: z.iso.datetime() })

/** `isFirst`: it came with its subscription. */
export const keyCreated = defineEvent('key.created', KeyNews.extend({ isFirst: z.boolean() }), {
  history: true,
})

export const keyRevoked = defineEvent('key.revoked', KeyNews, { history: true })
