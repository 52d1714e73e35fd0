import type { Database } from '#db/client'
import { ensurePartitions } from '#db/migrate'
import { recordAudit } from '#infra/audit'
import type { SandboxClock } from '#infra/clock'
import type { Actor } from '#lib/access'
import { ClockBackwards, SandboxOff } from './errors'
import { insertMove, listMoves, lockClock } from './sandbox.repository'

/** Where the clock is to go: to an instant, or on by so many seconds. */
export type ClockTarget = { now: string } | { advanceSeconds: number }

/** The clock of a sandbox, in which an operator lives through months in minutes. */
export class SandboxService {
  /** @param clock null where this is no sandbox */
  constructor(
    private readonly database: Database,
    private readonly clock: SandboxClock | null,
  ) {}

  /** Follows the clock as any process moves it. @returns what ends that */
  async start(): Promise<() => Promise<void>> {
    if (!this.clock) return async () => undefined
    const look = () => void this.follow().catch(() => undefined)
    await this.follow()
    return (await this.database.sql.listen('veil_clock', look, look)).unlisten
  }

  read() {
    const clock = this.demandClock()
    const now = clock.now()
    const offsetMs = now.getTime() - clock.machineNow().getTime()
    return { now: now.toISOString(), offsetSeconds: Math.round(offsetMs / 1000) }
  }

  /**
   * Moves the clock forward. What has come due since then is done by the jobs at their next run.
   *
   * @throws SandboxOff
   * @throws ClockBackwards
   */
  async move({ userId: actorId }: Actor, target: ClockTarget) {
    const clock = this.demandClock()
    await this.database.db.transaction(async (tx) => {
      await lockClock(tx)
      clock.follow(await listMoves(tx))
      const now = clock.now()
      const to =
        'now' in target
          ? new Date(target.now)
          : new Date(now.getTime() + target.advanceSeconds * 1000)
      if (to < now) throw new ClockBackwards(now)
      const since = clock.machineNow()
      await insertMove(tx, { since, offsetMs: to.getTime() - since.getTime() })
      const details = { from: now.toISOString(), to: to.toISOString() }
      await recordAudit(tx, {
        ...{ actorId, action: 'clock.moved', subjectId: 'sandbox', details, at: now },
      })
    })
    await this.follow()
    // A call of the new present must find its part of the ledger.
    await ensurePartitions(this.database.sql, clock)
    return this.read()
  }

  private async follow(): Promise<void> {
    this.clock?.follow(await listMoves(this.database.db))
  }

  private demandClock(): SandboxClock {
    if (!this.clock) throw new SandboxOff()
    return this.clock
  }
}
