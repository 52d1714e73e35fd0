import { z } from 'zod'
import { defineEvent } from '#infra/queue'

/** The operator's file was changed and is wrong: what was in force stays so. */
export const pricingFileBroken = defineEvent(
  'pricing.file-broken',
  z.object({ file: z.string(), mistakes: z.array(z.string()), at: z.iso.datetime() }),
  { history: true },
)
