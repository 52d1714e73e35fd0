import { isBehind, type Place } from './claim'

/** While there is a backlog, a look from the beginning at least this often. */
const LONGEST_WITHOUT_FULL_LOOK_MS = 250
/** Looking from the beginning takes at most a tenth of the time. */
const SHARE_OF_FULL_LOOKS = 10

/**
 * How far claims of a type have come, so that the next one need not walk over what is gone: as long as
 * any transaction holds an old snapshot, Postgres can neither remove nor skip the index entries of
 * deleted events. What lies before the mark (committed late, tried again, of a higher priority) is
 * found by a look from the beginning.
 */
export class LowWaterMark {
  private place: Place | null = null
  private fullLookEndedAt = -Infinity
  private fullLookMs = 0

  /** Milliseconds until a look from the beginning is affordable; 0 or less when it is now. */
  fullLookIn(now: number): number {
    return this.fullLookEndedAt + SHARE_OF_FULL_LOOKS * this.fullLookMs - now
  }

  /** Where the next claim begins; null is the beginning. `now` in milliseconds of any clock. */
  next(now: number, hasBacklog: boolean): Place | null {
    const wait = hasBacklog ? LONGEST_WITHOUT_FULL_LOOK_MS : 0
    const isDue = this.fullLookIn(now) <= 0 && now - this.fullLookEndedAt >= wait
    return isDue ? null : this.place
  }

  /** Takes note of a claim that began at `from` and reached `end`. */
  advance(from: Place | null, end: Place | null, startedAt: number, endedAt: number): void {
    if (from === null) {
      this.fullLookEndedAt = endedAt
      this.fullLookMs = endedAt - startedAt
    }
    if (end !== null && (this.place === null || isBehind(end, this.place))) this.place = end
  }
}
