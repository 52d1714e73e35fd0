/**
 * One limit as its buckets need it. Everything is an integer: a bucket counts in credit, one call
 * costs `windowMs` credit and every millisecond gives back `limit` credit. So no rounding can add
 * or lose a call at the boundary, as long as `limit × windowMs` stays below 2^53 (a limit of 100
 * million calls a day does).
 */
export interface BucketLimit {
  /** The policy's name in the RateLimit headers and in refusals. */
  readonly name: string
  /** Calls a window; also the most that may come at once. */
  readonly limit: number
  readonly windowMs: number
}

/**
 * A token bucket: `limit` calls at once, refilled smoothly at `limit / windowMs`. A full bucket
 * says nothing that a new one does not, so it may be forgotten at any time.
 */
export class TokenBucket {
  /** The bucket of the holder's next limit. */
  next: TokenBucket | null = null
  /** The limit that `#debt` is counted in. */
  #limit: BucketLimit
  /** Credit that is missing to a full bucket. */
  #debt = 0
  /** Epoch milliseconds up to which the bucket has been refilled. */
  #refilledAt: number

  constructor(limit: BucketLimit, now: number) {
    this.#limit = limit
    this.#refilledAt = now
  }

  /**
   * Brings the bucket to `now` (epoch ms) and to `limit`. A clock that goes back gives nothing; a
   * changed limit keeps the calls already taken, so that changing plans is no free refill.
   */
  refill(limit: BucketLimit, now: number): void {
    if (limit !== this.#limit) this.#adopt(limit)
    if (now <= this.#refilledAt) return
    this.#debt = Math.max(0, this.#debt - (now - this.#refilledAt) * limit.limit)
    this.#refilledAt = now
  }

  /** Whether one more call may pass now; call `refill` first. */
  admits(): boolean {
    return this.#debt + this.#limit.windowMs <= this.#limit.limit * this.#limit.windowMs
  }

  get name(): string {
    return this.#limit.name
  }

  take(): void {
    this.#debt += this.#limit.windowMs
  }

  /** Whether the bucket will be full at `now`, which makes it worth forgetting. */
  isFullAt(now: number): boolean {
    return this.#debt <= Math.max(0, now - this.#refilledAt) * this.#limit.limit
  }

  /** Whole calls left now. */
  remaining(): number {
    return Math.max(0, Math.floor(this.#limit.limit - this.#debt / this.#limit.windowMs))
  }

  /** Milliseconds until `admits` turns true; a whole window where the limit is 0. */
  millisecondsToNext(): number {
    const { limit, windowMs } = this.#limit
    if (limit <= 0) return windowMs
    return Math.max(0, Math.ceil((this.#debt + windowMs - limit * windowMs) / limit))
  }

  /** Milliseconds until nothing is missing any more. */
  millisecondsToFull(): number {
    const { limit, windowMs } = this.#limit
    return limit <= 0 ? windowMs : Math.ceil(this.#debt / limit)
  }

  #adopt(limit: BucketLimit): void {
    const taken = this.#debt / this.#limit.windowMs
    this.#debt = Math.min(Math.ceil(taken * limit.windowMs), limit.limit * limit.windowMs)
    this.#limit = limit
  }
}
