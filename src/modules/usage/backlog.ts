import type { Db } from '#db/client'
import { countBacklog } from './backlog-repository'
import { UsageBacklogFull } from './errors'

const SHORTEST_MS = 1_000
/** Counting takes at most this share of the time, however long the backlog is. */
const COST_FACTOR = 20

/**
 * How many calls wait to be booked. The sum is taken from the database at most once a second, or in
 * twenty times the time that it takes, and one at a time; what this process took since is added. So
 * it is behind by what other processes took and the workers booked in that time.
 */
export class UsageBacklog {
  private waiting = 0
  private takenSince = 0
  private freshUntil = 0
  private counting: Promise<void> | null = null

  constructor(
    private readonly db: Db,
    private readonly limit: number,
  ) {}

  /** @throws UsageBacklogFull (429) while more calls wait than the limit allows */
  async demandRoom(): Promise<void> {
    if (performance.now() >= this.freshUntil) {
      this.counting ??= this.count().finally(() => {
        this.counting = null
      })
      await this.counting
    }
    if (this.waiting + this.takenSince >= this.limit) throw new UsageBacklogFull(this.limit)
  }

  take(calls: number): void {
    this.takenSince += calls
  }

  private async count(): Promise<void> {
    const startedAt = performance.now()
    const takenBefore = this.takenSince
    this.waiting = await countBacklog(this.db)
    this.takenSince -= takenBefore
    const now = performance.now()
    this.freshUntil = now + Math.max(SHORTEST_MS, COST_FACTOR * (now - startedAt))
  }
}
