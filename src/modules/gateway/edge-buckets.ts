import { type BucketLimit, TokenBucket } from './token-bucket'

/** The token buckets of whatever had calls lately, by its slot. */
export class BucketShelf {
  /** The first of a chain, in the order of the limits. */
  readonly #first = new Map<number, TokenBucket>()
  #sweep: Iterator<[number, TokenBucket]> | null = null

  get size(): number {
    return this.#first.size
  }

  /** The chain of buckets for these limits, brought to `now`; null without limits. */
  bucketsOf(slot: number, limits: readonly BucketLimit[], now: number): TokenBucket | null {
    if (limits.length === 0) return null
    let bucket = this.#first.get(slot)
    if (bucket === undefined) {
      bucket = new TokenBucket(limits[0] as BucketLimit, now)
      this.#first.set(slot, bucket)
    }
    const first = bucket
    for (let index = 0; index < limits.length; index++) {
      bucket.refill(limits[index] as BucketLimit, now)
      const following = limits[index + 1]
      if (following === undefined) bucket.next = null
      else bucket = bucket.next ??= new TokenBucket(following, now)
    }
    return first
  }

  forget(slot: number): void {
    this.#first.delete(slot)
  }

  clear(): void {
    this.#first.clear()
    this.#sweep = null
  }

  /** Forgets full buckets among the next `most`; returns how many. */
  sweep(now: number, most: number): number {
    let forgotten = 0
    for (let seen = 0; seen < most; seen++) {
      this.#sweep ??= this.#first.entries()
      const next = this.#sweep.next()
      if (next.done === true) {
        this.#sweep = null
        return forgotten
      }
      const [slot, first] = next.value
      if (!areFull(first, now)) continue
      this.#first.delete(slot)
      forgotten++
    }
    return forgotten
  }
}

function areFull(first: TokenBucket, now: number): boolean {
  for (let bucket: TokenBucket | null = first; bucket !== null; bucket = bucket.next) {
    if (!bucket.isFullAt(now)) return false
  }
  return true
}
