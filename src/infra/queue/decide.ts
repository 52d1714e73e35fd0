import { type BackoffPolicy, backoffMs } from '#lib/backoff'

export interface RetryPolicy extends BackoffPolicy {
  /** Attempts in all; a crash counts as one. */
  maxAttempts: number
}

/** Thirteen tries over about two hours on average: longer than a restart, shorter than a night. */
export const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 13, baseMs: 500, capMs: 3_600_000 }

/** Thrown by a handler for an event that no further try can help: it goes to the dead letters at once. */
export class Discard extends Error {
  constructor(
    /** Kept in the dead letter. */
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(reason, options)
    this.name = 'Discard'
  }
}

/** Thrown by a handler to see the event again later: neither an error nor an attempt. */
export class Snooze extends Error {
  constructor(
    /** Milliseconds from now, by the database's clock. */
    readonly inMs: number,
  ) {
    super(`again in ${inMs} ms`)
    this.name = 'Snooze'
  }
}

/** How an attempt ended. */
export type Outcome = { ok: true } | { ok: false; error: unknown }

export type Decision =
  | { kind: 'done' }
  | { kind: 'retry'; inMs: number; message: string }
  | { kind: 'snooze'; inMs: number }
  /** Given back before the handler began, because the worker stops. */
  | { kind: 'release' }
  | { kind: 'dead'; reason: string; message: string; attempts: number }

/**
 * What becomes of an event after an attempt.
 *
 * @param attempts attempts begun so far, this one included
 * @param random uniform in [0, 1)
 */
export function decide(
  outcome: Outcome,
  attempts: number,
  policy: RetryPolicy,
  random: number,
): Decision {
  if (outcome.ok) return { kind: 'done' }
  const { error } = outcome
  if (error instanceof Snooze) return { kind: 'snooze', inMs: error.inMs }
  const message = describeError(error)
  const dead = (reason: string): Decision => ({
    // The last claim of one that killed its workers only brings it here.
    ...{ kind: 'dead', reason, message, attempts: Math.min(attempts, policy.maxAttempts) },
  })
  if (error instanceof Discard) return dead(storable(error.reason))
  if (attempts >= policy.maxAttempts) return dead(`gave up after ${attempts} attempts: ${message}`)
  return { kind: 'retry', inMs: backoffMs(policy, attempts, random), message }
}

const LONGEST_MESSAGE = 2_000
const DEEPEST_CAUSE = 5

/** The chain of causes on one line. Drizzle's own message is left out: it holds the parameters. */
export function describeError(error: unknown): string {
  const parts: string[] = []
  let current: unknown = error
  for (let depth = 0; depth < DEEPEST_CAUSE && current !== undefined; depth++) {
    parts.push(describeOne(current))
    current = current instanceof Error ? current.cause : undefined
  }
  return storable(parts.join(' ← ').slice(0, LONGEST_MESSAGE))
}

function describeOne(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.constructor.name === 'DrizzleQueryError') return 'query failed'
  return `${error.name}: ${error.message}`
}

/** Postgres' text and jsonb hold neither U+0000 nor half a surrogate pair. */
export function storable(text: string): string {
  return text.replaceAll('\u0000', '\ufffd').toWellFormed()
}
