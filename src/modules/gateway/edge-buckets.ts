import { type BucketLimit, TokenBucket } from './token-bucket'

/** The token buckets of whatever had calls lately, by its slot. */
export class BucketShelf {
  /** The first of each chain, in the order of the limits; an array, since a `Map` takes twice the time. */
  readonly #first: (TokenBucket | undefined)[] = []
  /** Slots that have one. */
  readonly #taken = new Set<number>()
  #sweep: Iterator<number> | null = null

  get size(): number {
    return this.#taken.size
  }

  /** The chain of buckets for these limits, brought to `now`; null without limits. */
  bucketsOf(slot: number, limits: readonly BucketLimit[], now: number): TokenBucket | null {
    if (limits.length === 0) return null
    const first = this.#first[slot] ?? this.#place(slot, limits[0] as BucketLimit, now)
    let bucket = first
    for (let index = 0; index < limits.length; index++) {
      bucket.refill(limits[index] as BucketLimit, now)
      const following = limits[index + 1]
      if (following === undefined) bucket.next = null
      else bucket = bucket.next ??= new TokenBucket(following, now)
    }
    return first
  }

  forget(slot: number): void {
    if (!this.#taken.has(slot)) return
    this.#first[slot] = undefined
    this.#taken.delete(slot)
  }

  clear(): void {
    this.#first.length = 0
    this.#taken.clear()
    this.#sweep = null
  }

  /** Forgets full buckets among the next `most`; returns how many. */
  sweep(now: number, most: number): number {
    let forgotten = 0
    for (let seen = 0; seen < most; seen++) {
      this.#sweep ??= this.#taken.values()
      const next = this.#sweep.next()
      if (next.done === true) {
        this.#sweep = null
        return forgotten
      }
      const first = this.#first[next.value]
      if (first !== undefined && !areFull(first, now)) continue
      this.forget(next.value)
      forgotten++
    }
    return forgotten
  }

  #place(slot: number, limit: BucketLimit, now: number): TokenBucket {
    // Without gaps: the engine would turn an array with them into a slow one.
    while (this.#first.length < slot) this.#first.push(undefined)
    const bucket = new TokenBucket(limit, now)
    this.#first[slot] = bucket
    this.#taken.add(slot)
    return bucket
  }
}

function areFull(first: TokenBucket, now: number): boolean {
  for (let bucket: TokenBucket | null = first; bucket !== null; bucket = bucket.next) {
    if (!bucket.isFullAt(now)) return false
  }
  return true
}
