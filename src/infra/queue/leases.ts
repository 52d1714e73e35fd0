import type { Sql } from '#db/client'
import type { Logger } from '#infra/logger'
import { extendClaims } from './claim'

/** The claims that a worker holds, extended together until they are let go. */
export class Leases {
  private readonly held = new Map<string, AbortController>()

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
    private readonly leaseMs: number,
  ) {}

  /** @returns a signal that is aborted when another worker has taken over */
  hold(token: string): AbortSignal {
    const abort = new AbortController()
    this.held.set(token, abort)
    return abort.signal
  }

  letGo(token: string): void {
    this.held.delete(token)
  }

  /** To be called several times within `leaseMs`. */
  async extend(): Promise<void> {
    const tokens = [...this.held.keys()]
    if (tokens.length === 0) return
    const kept = await extendClaims(this.sql, tokens, this.leaseMs)
    for (const token of tokens) {
      if (!kept.has(token)) this.lose(token)
    }
  }

  private lose(token: string): void {
    const abort = this.held.get(token)
    // It may have been let go while we asked.
    if (!abort) return
    this.held.delete(token)
    this.logger.warn({ token }, 'queue.claim-lost')
    abort.abort(new Error('the claim was lost'))
  }
}
