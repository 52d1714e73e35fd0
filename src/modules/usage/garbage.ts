/** Calls after which what they left behind is collected. */
const CALLS = 40_000

/**
 * Collects garbage every so many calls. The engine would let the heap grow to twice what a long
 * backlog, or a long export, needs; a collection takes some ten milliseconds, a twentieth of what
 * booking those calls does.
 */
export class GarbageCollection {
  private calls = 0

  after(calls: number): void {
    this.calls += calls
    if (this.calls < CALLS) return
    this.calls = 0
    Bun.gc(true)
  }
}
