import { createHash } from 'node:crypto'
import type { Db } from '#db/client'
import { deadLetters } from '#db/schema/queue'
import type { Clock } from '#lib/clock'

/** A part of an event that is given up while the rest of it goes on. */
export interface DeadLetter {
  /** Names the event that would carry the payload if it were tried again. */
  type: string
  /** Identity of what died: the same one buried twice is one dead letter. */
  originId: string
  payload: unknown
  reason: string
}

/** Adds dead letters in the caller's transaction; those that are there already stay as they are. */
export async function addDeadLetters(
  db: Db,
  letters: readonly DeadLetter[],
  clock: Clock,
): Promise<void> {
  if (letters.length === 0) return
  const at = clock.now()
  await db
    .insert(deadLetters)
    .values(
      letters.map(({ type, originId, payload, reason }) => ({
        id: letterId(type, originId),
        eventId: originId,
        type,
        payload,
        reason,
        attempts: 1,
        errors: [{ at: at.toISOString(), message: reason }],
        firstAt: at,
        createdAt: at,
      })),
    )
    .onConflictDoNothing()
}

/** The same for the same origin, so that redelivery finds its own row. */
function letterId(type: string, originId: string): `dlq_${string}` {
  const digest = createHash('sha256').update(`${type}\n${originId}`).digest('hex')
  return `dlq_${digest.slice(0, 32)}`
}
