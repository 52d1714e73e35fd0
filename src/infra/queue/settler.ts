import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from '#db/client'
import type { Logger } from '#infra/logger'
import { type Settled, settle, type Verdict } from './settle'

/** Results that come one by one are written together when the first is this old. */
const GATHER_MS = 10
const PAUSE_BETWEEN_TRIES_MS = 500

/** Gathers the verdicts about one claim and writes them, at the latest when all are known. */
export class Settler {
  private verdicts: Verdict[] = []
  private missing: number
  private unwritten = 0
  private timer: ReturnType<typeof setTimeout> | null = null
  private writing: Promise<void> = Promise.resolve()

  constructor(
    private readonly options: {
      sql: Sql
      logger: Logger
      token: string
      count: number
      keepsHistory: boolean
      /** How long a database that is away is waited for. */
      patienceMs: number
      onSettled: (settled: Settled, verdicts: readonly Verdict[]) => void
    },
  ) {
    this.missing = options.count
  }

  add(verdict: Verdict): void {
    this.verdicts.push(verdict)
    this.missing--
    if (this.missing === 0) this.flush()
    else this.timer ??= setTimeout(() => this.flush(), GATHER_MS)
  }

  /** Waits for the last write. @returns how many verdicts could not be written */
  async finish(): Promise<number> {
    await this.writing
    return this.unwritten
  }

  private flush(): void {
    if (this.timer) clearTimeout(this.timer)
    this.timer = null
    const verdicts = this.verdicts
    this.verdicts = []
    const isLast = this.missing === 0
    this.writing = this.writing.then(() => this.write(verdicts, isLast))
  }

  /** Events whose verdict cannot be written are left to the end of their lease, and so is the claim. */
  private async write(verdicts: readonly Verdict[], isLast: boolean): Promise<void> {
    const { sql, token, keepsHistory, patienceMs, onSettled, logger } = this.options
    const endsClaim = isLast && this.unwritten === 0
    const deadline = performance.now() + patienceMs
    for (;;) {
      try {
        onSettled(await settle(sql, token, verdicts, { keepsHistory, endsClaim }), verdicts)
        return
      } catch (error) {
        logger.error({ err: error }, 'queue.settle-failed')
        if (performance.now() > deadline) break
        await sleep(PAUSE_BETWEEN_TRIES_MS)
      }
    }
    this.unwritten += verdicts.length
  }
}
