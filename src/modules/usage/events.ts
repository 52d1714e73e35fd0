import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import type { Id } from '#lib/id'

const LARGEST_INTEGER = 2_147_483_647

/** What Postgres' text and jsonb can hold: no U+0000, no half of a surrogate pair. */
const storableText = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine((text) => !text.includes('\u0000') && text.isWellFormed(), {
      error: 'holds characters that cannot be stored',
    })

const count = z.int().nonnegative()

/** One call, as a gateway reports it. */
export const UsageEventSchema = z.object({
  /** The request id; the same call reported twice has the same. */
  id: z.guid().toLowerCase(),
  gatewayId: z.string().regex(/^[a-z0-9-]{1,40}$/),
  /** Gapless per gateway, from 1. */
  sequence: z.int().positive(),
  keyId: z.custom<Id<'key'>>(
    (value) => typeof value === 'string' && /^key_[0-9A-Za-z]{12}$/.test(value),
    { error: 'is not the id of a key' },
  ),
  method: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/),
  path: storableText(8_192),
  status: z.int().min(100).max(999),
  durationMs: count.max(LARGEST_INTEGER),
  requestBytes: count,
  responseBytes: count,
  /** When the call ended. */
  at: z.iso.datetime({ offset: true }).transform((text) => new Date(text).toISOString()),
})
export type UsageEvent = z.infer<typeof UsageEventSchema>

/** Calls on their way to the ledger. */
export const usageBatchReceived = defineEvent(
  'usage.batch-received',
  z.object({
    events: z.array(UsageEventSchema).min(1).max(1_000),
    /** How often these were put off because their billing period was not open yet. */
    deferrals: z.int().nonnegative().default(0),
  }),
)
