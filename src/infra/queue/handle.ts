import type { ClaimedEvent } from './claim'
import { Discard, type Outcome } from './decide'
import type { EventDefinition } from './event'

export interface HandlerContext {
  event: ClaimedEvent
  /** Aborted when the time is up or the claim was lost: what comes after that is not counted. */
  signal: AbortSignal
}

/** Does the work of an event. At least once: doing it again must change nothing. */
export type Handler<T> = (payload: T, context: HandlerContext) => Promise<void>

/** An event in a batch. */
export interface BatchedEvent<T> {
  id: ClaimedEvent['id']
  payload: T
  /** Attempts begun, this one included. */
  attempts: number
}

/**
 * Does the work of many events at once. At least once, as with one. Returns an outcome for each event
 * in their order, or nothing when all are done; what it throws is the outcome of them all.
 */
export type BatchHandler<T> = (
  events: BatchedEvent<T>[],
  context: { signal: AbortSignal },
) => Promise<Outcome[]> | Promise<void>

/** What its handler gets, or how the attempt ends because it cannot be given to one. */
type Parsed = { payload: unknown } | { outcome: Outcome }

/** Checks what was claimed before its handler sees it. */
export function parseEvent(
  event: ClaimedEvent,
  { schema }: EventDefinition<unknown>,
  maxAttempts: number,
): Parsed {
  if (event.attempts > maxAttempts) {
    return failed(new Discard('the worker died during the last attempt'))
  }
  const parsed = schema.safeParse(event.payload)
  if (parsed.success) return { payload: parsed.data }
  const reason = 'the payload does not have the shape of its event'
  return failed(new Discard(reason, { cause: parsed.error }))
}

const failed = (error: unknown) => ({ outcome: { ok: false as const, error } })

export class HandlerTimeout extends Error {
  constructor(timeoutMs: number) {
    super(`not done within ${timeoutMs} ms`)
    this.name = 'HandlerTimeout'
  }
}

/**
 * Runs work against the clock. A handler cannot be stopped from outside: when its time is up the
 * signal tells it to, and nobody waits for it any more.
 */
export async function withTimeout<T>(
  timeoutMs: number | undefined,
  lost: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return work(lost)
  const abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new HandlerTimeout(timeoutMs)
      abort.abort(error)
      reject(error)
    }, timeoutMs)
  })
  try {
    return await Promise.race([work(AbortSignal.any([abort.signal, lost])), timeout])
  } finally {
    clearTimeout(timer)
  }
}
