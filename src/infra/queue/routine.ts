import type { Logger } from '#infra/logger'
import { Alarm } from './alarm'

/** A duty done again and again, never twice at once; a failed one is logged and done again. */
export class Routine {
  private readonly alarm = new Alarm()
  private running: Promise<void> | null = null
  private isStopping = false

  constructor(
    private readonly options: {
      name: string
      everyMs: number
      logger: Logger
      run: () => Promise<unknown>
    },
  ) {}

  start(): void {
    this.isStopping = false
    this.running = this.loop()
  }

  async stop(): Promise<void> {
    this.isStopping = true
    this.alarm.ring()
    await this.running
  }

  /** At most a tenth of the time is spent on it. */
  private async loop(): Promise<void> {
    const { name, everyMs, logger, run } = this.options
    while (!this.isStopping) {
      const startedAt = performance.now()
      await run().catch((error: unknown) => logger.warn({ err: error }, `queue.${name}-failed`))
      const tookMs = performance.now() - startedAt
      if (!this.isStopping) await this.alarm.wait(Math.max(everyMs, 10 * tookMs))
    }
  }
}
