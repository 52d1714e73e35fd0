import { AsyncLocalStorage } from 'node:async_hooks'
import type { Db } from '#db/client'

/** The part of a request with an `Idempotency-Key` in the transactions of its work. */
export interface RetryClaim {
  /** What an earlier try kept, whose process died before it could answer; null in a first try. */
  readonly kept: unknown
  keep(tx: Db, value: unknown): Promise<void>
}

const claims = new AsyncLocalStorage<RetryClaim>()

export const runUnderClaim = <T>(claim: RetryClaim, work: () => T): T => claims.run(claim, work)

/**
 * Keeps, in the transaction that makes it true, what a retry of this request needs to go on from there.
 * Does nothing for a request without an `Idempotency-Key`.
 *
 * @throws IdempotencyKeyInUse when this request was taken for dead and its retry runs already
 */
export async function keepForRetry(tx: Db, value: unknown): Promise<void> {
  await claims.getStore()?.keep(tx, value)
}

/** What an earlier try of this request kept; null when it is to begin from the beginning. */
export const keptByEarlierTry = (): unknown => claims.getStore()?.kept ?? null
