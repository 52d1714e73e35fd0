export interface BackoffPolicy {
  baseMs: number
  capMs: number
}

/**
 * Delay before the next try: exponential with full jitter, `random × min(cap, base × 2^(attempt−1))`.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param attempt tries made so far, from 1
 * @param random uniform in [0, 1)
 * @returns milliseconds, an integer
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, random: number): number {
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1))
  return Math.floor(random * ceiling)
}
