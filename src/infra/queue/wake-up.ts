import type { Sql } from '#db/client'
import type { Logger } from '#infra/logger'
import { QUEUE_CHANNEL } from './publish'

/**
 * Wakes sleeping lanes when a transaction with an event commits. A notification that comes while a
 * lane is busy is not lost: the lane compares the count it saw before its round.
 */
export class WakeUp {
  /** Notifications so far. */
  count = 0
  private sleepers = new Set<() => void>()
  private unlisten: (() => Promise<void>) | null = null

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
  ) {}

  /** Listens; a connection that breaks is made anew by the client. Without it polling goes on alone. */
  async start(): Promise<void> {
    try {
      const listening = await this.sql.listen(
        QUEUE_CHANNEL,
        () => this.wake(),
        () => this.wake(),
      )
      this.unlisten = listening.unlisten
    } catch (error) {
      this.logger.warn({ err: error }, 'queue.listen-failed')
    }
  }

  async stop(): Promise<void> {
    await this.unlisten?.().catch(() => undefined)
    this.unlisten = null
  }

  wake(): void {
    this.count++
    for (const sleeper of [...this.sleepers]) sleeper()
  }

  /** Sleeps until a notification newer than `seen`, at most `ms`. */
  async wait(seen: number, ms: number): Promise<void> {
    if (this.count === seen) await this.sleep(ms)
  }

  /** Sleeps `ms` through notifications, unless `isOver` says otherwise at one. */
  async pause(ms: number, isOver: () => boolean): Promise<void> {
    const deadline = performance.now() + ms
    while (!isOver() && performance.now() < deadline) await this.sleep(deadline - performance.now())
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.sleepers.delete(end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.sleepers.add(end)
    })
  }
}
