import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from '#db/client'
import type { Logger } from '#infra/logger'
import { Alarm } from './alarm'
import { type Claim, type ClaimRequest, claimEvents, claimSuspect } from './claim'
import { decide, type Outcome, type RetryPolicy } from './decide'
import type { Leases } from './leases'
import { LowWaterMark } from './mark'
import { setSuccessorsAside } from './ordering'
import { type Registration, runHandlers } from './round'
import type { Settled, Settlement, Verdict } from './settle'
import { Settler } from './settler'
import { Slots } from './slots'

export interface LaneOptions {
  registration: Registration
  retry: RetryPolicy
  /** Handlers, or batches, at once. */
  concurrency: number
  /** Events of one claim. */
  batchSize: number
  /** How long to let events come together where there is no queue of them. */
  gatherMs: number
  worker: string
  leaseMs: number
  random: () => number
  sql: Sql
  logger: Logger
  leases: Leases
  onSettled: (type: string, settled: Settled) => void
}

/** What rounds did. `lost`: events that another worker had taken over before we were done. */
export interface RoundCounts extends Settlement {
  claimed: number
}

export const NOTHING_DONE: RoundCounts = {
  ...{ claimed: 0, done: 0, retried: 0, snoozed: 0, released: 0, dead: 0, lost: 0 },
}

/** Pause after a claim that failed, which means that the database is away. */
const PAUSE_AFTER_FAILURE_MS = 1_000
/** The worker rings when its poll finds something. */
const LONGEST_REST_MS = 60_000
/** So much work is claimed ahead: enough to keep busy, little enough to leave some to others. */
const AHEAD_SECONDS = 0.1

/**
 * Everything one worker does about one type. Each type claims by itself, so that neither a large nor
 * a slow one holds up another. While handlers run and results are written the next claim is under way.
 */
export class Lane {
  /** Something of this type may be due. */
  readonly bell = new Alarm()
  private readonly vacancy = new Alarm()
  private readonly slots: Slots
  private readonly mark = new LowWaterMark()
  private readonly rounds = new Set<Promise<unknown>>()
  private inFlight = 0
  private isStopping = false
  private looping: Promise<void> = Promise.resolve()
  /** The last claim found as much as it could take. */
  private hasBacklog = false
  /** Events of this type have ordering keys. */
  private isOrdered = false
  private settledSinceClaim = 0
  private lastClaimAt = performance.now()
  private perSecond = 0

  constructor(private readonly options: LaneOptions) {
    this.slots = new Slots(options.concurrency)
  }

  get type(): string {
    return this.options.registration.event.name
  }

  /** Claims one batch from the beginning, runs and settles it. */
  async runOnce(): Promise<RoundCounts> {
    return this.run(await claimEvents(this.options.sql, this.request(this.options.batchSize, null)))
  }

  /** The same with one event that may have killed its workers. */
  async runSuspect(): Promise<RoundCounts> {
    return this.run(await claimSuspect(this.options.sql, this.request(1, null)))
  }

  start(): void {
    this.isStopping = false
    this.looping = this.loop()
  }

  /** Begins no handler any more, waits for those that run, and gives the rest back. */
  async stop(): Promise<void> {
    this.isStopping = true
    this.bell.ring()
    this.vacancy.ring()
    await this.looping
    await Promise.all(this.rounds)
  }

  private async loop(): Promise<void> {
    while (!this.isStopping) {
      const limit = this.room()
      if (limit === 0) await this.vacancy.wait(LONGEST_REST_MS)
      else await this.look(limit)
    }
  }

  private async look(limit: number): Promise<void> {
    try {
      const rest = await this.claimNext(limit)
      if (rest === 0 || this.isStopping) return
      const wasRung = await this.bell.wait(rest)
      if (wasRung && this.options.gatherMs > 0) await sleep(this.options.gatherMs)
    } catch (error) {
      this.options.logger.error({ err: error }, 'queue.claim-failed')
      await this.bell.wait(PAUSE_AFTER_FAILURE_MS)
    }
  }

  /** Starts a round with what is due. @returns for how long there is nothing more, in ms */
  private async claimNext(limit: number): Promise<number> {
    const startedAt = performance.now()
    const after = this.mark.next(startedAt, this.hasBacklog)
    if (after === null && this.isOrdered) await setSuccessorsAside(this.options.sql, this.type)
    const claim = await claimEvents(this.options.sql, this.request(limit, after))
    const endedAt = performance.now()
    this.mark.advance(after, claim.end, startedAt, endedAt)
    if (claim.events.length > 0) this.begin(this.run(claim))
    this.hasBacklog = claim.events.length === limit
    if (this.hasBacklog) return 0
    return after === null ? LONGEST_REST_MS : Math.max(1, this.mark.fullLookIn(endedAt))
  }

  private begin(round: Promise<unknown>): void {
    this.rounds.add(round)
    void round.finally(() => {
      this.rounds.delete(round)
      this.vacancy.ring()
    })
  }

  /** How many events may be claimed now; 0 until enough are settled to make it worthwhile. */
  private room(): number {
    const { concurrency, batchSize, registration } = this.options
    if ('many' in registration.handle) return this.rounds.size > concurrency ? 0 : batchSize
    const now = performance.now()
    const ahead = this.aheadAt(now)
    const free = concurrency + 2 * ahead - this.inFlight
    return free >= ahead || this.inFlight < concurrency ? Math.max(0, Math.min(free, batchSize)) : 0
  }

  private aheadAt(now: number): number {
    const seconds = (now - this.lastClaimAt) / 1_000
    if (seconds > 0.001) {
      this.perSecond = Math.max(this.settledSinceClaim / seconds, this.perSecond / 2)
      this.settledSinceClaim = 0
      this.lastClaimAt = now
    }
    return Math.max(1, Math.min(this.options.batchSize, Math.ceil(this.perSecond * AHEAD_SECONDS)))
  }

  private request(limit: number, after: ClaimRequest['after']): ClaimRequest {
    const { worker, leaseMs, registration } = this.options
    const { maxAttempts } = registration
    return { token: randomUUID(), worker, type: this.type, limit, leaseMs, maxAttempts, after }
  }

  /** Runs the handlers of a claim and writes what becomes of its events. */
  private async run(claim: Claim): Promise<RoundCounts> {
    const count = claim.events.length
    if (count === 0) return NOTHING_DONE
    this.isOrdered ||= claim.events.some((event) => event.orderingKey !== null)
    const { registration, leases, sql, logger, leaseMs } = this.options
    const counts = { ...NOTHING_DONE, claimed: count }
    const settler = new Settler({
      ...{ sql, logger, token: claim.token, count },
      ...{ keepsHistory: registration.event.history, patienceMs: leaseMs },
      onSettled: (settled, verdicts) => this.take(counts, settled, verdicts),
    })
    this.inFlight += count
    const signal = leases.hold(claim.token)
    await runHandlers(claim, {
      ...{ registration, signal, slots: this.slots },
      isStopping: () => this.isStopping,
      report: (event, outcome) => settler.add(this.judge(event, outcome)),
    })
    const abandoned = await settler.finish()
    this.inFlight -= abandoned
    leases.letGo(claim.token)
    return counts
  }

  private judge(event: Verdict['event'], outcome: Outcome | null): Verdict {
    if (outcome === null) return { event, decision: { kind: 'release' } }
    const { retry, random } = this.options
    return { event, decision: decide(outcome, event.attempts, retry, random()) }
  }

  private take(counts: RoundCounts, settled: Settled, verdicts: readonly Verdict[]): void {
    for (const key of ['done', 'retried', 'snoozed', 'released', 'dead', 'lost'] as const) {
      counts[key] += settled[key]
    }
    this.inFlight -= verdicts.length
    this.settledSinceClaim += verdicts.length
    this.vacancy.ring()
    this.options.onSettled(this.type, settled)
    for (const { event, decision } of verdicts) {
      if (decision.kind !== 'retry' && decision.kind !== 'dead') continue
      const { id, type, attempts } = event
      const level = decision.kind === 'dead' ? 'error' : 'warn'
      const facts = { eventId: id, type, attempts, reason: decision.message }
      this.options.logger[level](facts, `queue.event-${decision.kind}`)
    }
  }
}
