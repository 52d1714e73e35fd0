import { randomUUID } from 'node:crypto'
import type { Database, Sql } from '#db/client'
import type { Logger } from '#infra/logger'
import { bellOf } from './bell'
import { reapClaims } from './claim'
import { mergeCounts } from './counts'
import { DEFAULT_RETRY, type RetryPolicy } from './decide'
import type { EventDefinition } from './event'
import type { BatchHandler, Handler } from './handle'
import { Lane, NOTHING_DONE, type RoundCounts } from './lane'
import { Leases } from './leases'
import { Rates } from './rates'
import type { Registration } from './round'
import { Routine } from './routine'
import type { Settled } from './settle'
import { findDueTypes, findSuspectTypes, removeExpired } from './upkeep'

export interface WorkerOptions {
  database: Database
  logger: Logger
  /** Most events of one claim, unless the type says otherwise. */
  batchSize?: number
  /** Milliseconds after which a dead worker's events are taken over; extended while it lives. */
  leaseMs?: number
  /** Longest wait between looks when no notification comes. */
  pollMs?: number
  /** Uniform in [0, 1). */
  random?: () => number
}

/** Limits of one type in one worker. */
export interface HandlerOptions {
  retry?: Partial<RetryPolicy>
  /** Handlers at once in this worker, 10 unless stated; other types have their own. */
  concurrency?: number
  /** Milliseconds after which an attempt counts as failed; no limit unless stated. */
  timeoutMs?: number
}

export interface BatchHandlerOptions extends HandlerOptions {
  /** Most events of a batch; 1,000 unless stated. */
  batchSize?: number
  /**
   * Milliseconds to let events come together where there is no queue of them, so that a few large
   * batches do the work of many small ones; 0 unless stated.
   */
  gatherMs?: number
  /** Batches at once in this worker, 1 unless stated. */
  concurrency?: number
}

const FLUSH_RATES_MS = 3_000
const MERGE_COUNTS_MS = 5_000
const REMOVE_EXPIRED_MS = 60_000

/** Takes events off the queue and runs their handlers. One per process. */
export class Worker {
  private readonly id = randomUUID()
  private readonly lanes = new Map<string, Lane>()
  private readonly sql: Sql
  private readonly settings: Required<Omit<WorkerOptions, 'database' | 'logger'>>
  private readonly leases: Leases
  private readonly rates: Rates
  private readonly heartbeat: Routine
  private readonly routines: Routine[]
  private stopListening: (() => Promise<void>) | null = null

  constructor(private readonly options: WorkerOptions) {
    this.sql = options.database.queue
    const { batchSize = 1_000, leaseMs = 15_000, pollMs = 1_000, random = Math.random } = options
    this.settings = { batchSize, leaseMs, pollMs, random }
    this.leases = new Leases(this.sql, options.logger, leaseMs)
    this.rates = new Rates(this.sql, this.id)
    this.heartbeat = this.routine('heartbeat', leaseMs / 3, () => this.leases.extend())
    this.routines = [
      this.routine('poll', pollMs, () => this.poll()),
      this.routine('suspects', pollMs, () => this.runSuspects()),
      this.routine('rates', FLUSH_RATES_MS, () => this.rates.flush()),
      this.routine('counts', MERGE_COUNTS_MS, () => mergeCounts(this.sql)),
      this.routine('upkeep', REMOVE_EXPIRED_MS, () => removeExpired(this.sql)),
    ]
  }

  /** The names of the events that it has handlers for. */
  get types(): string[] {
    return [...this.lanes.keys()]
  }

  /** Registers the one handler of an event. @throws Error when it has one already */
  on<T>(event: EventDefinition<T>, handle: Handler<T>, options: HandlerOptions = {}): this {
    const { concurrency = 10 } = options
    return this.register(event, { one: handle as Handler<unknown> }, { ...options, concurrency })
  }

  /** The same with a handler for many events at once. @throws Error when it has one already */
  onBatch<T>(
    event: EventDefinition<T>,
    handle: BatchHandler<T>,
    options: BatchHandlerOptions = {},
  ): this {
    const { concurrency = 1 } = options
    const many = handle as BatchHandler<unknown>
    return this.register(event, { many }, { ...options, concurrency })
  }

  /** Claims one batch of each type, runs it and settles each event on its own. */
  async runOnce(): Promise<RoundCounts> {
    this.heartbeat.start()
    try {
      await reapClaims(this.sql)
      const rounds = await Promise.all([...this.lanes.values()].map((lane) => lane.runOnce()))
      const suspect = await this.runSuspects()
      return [...rounds, suspect].reduce(addCounts)
    } finally {
      await this.heartbeat.stop()
    }
  }

  /** Runs until nothing is due; for tests and for a last round. @returns the sums of the rounds */
  async drain(): Promise<RoundCounts> {
    let sums = NOTHING_DONE
    for (;;) {
      const round = await this.runOnce()
      if (round.claimed === 0) return sums
      sums = addCounts(sums, round)
    }
  }

  async start(): Promise<void> {
    const ring = (types: readonly string[]) => {
      for (const type of types) this.lanes.get(type)?.bell.ring()
    }
    const ringAll = () => ring([...this.lanes.keys()])
    try {
      this.stopListening = await bellOf(this.options.database.sql).listen(ring, ringAll)
    } catch (error) {
      // Polling goes on alone.
      this.options.logger.warn({ err: error }, 'queue.listen-failed')
    }
    for (const routine of [this.heartbeat, ...this.routines]) routine.start()
    for (const lane of this.lanes.values()) lane.start()
  }

  /** Claims nothing more, waits for what runs, settles it, and gives the rest back. */
  async stop(): Promise<void> {
    await Promise.all([...this.lanes.values()].map((lane) => lane.stop()))
    await Promise.all([this.heartbeat, ...this.routines].map((routine) => routine.stop()))
    await this.rates.flush().catch(() => undefined)
    await this.stopListening?.()
  }

  private register<T>(
    event: EventDefinition<T>,
    handle: Registration['handle'],
    options: BatchHandlerOptions & { concurrency: number },
  ): this {
    if (this.lanes.has(event.name)) throw new Error(`${event.name} has a handler already`)
    const retry = { ...DEFAULT_RETRY, ...options.retry }
    const { maxAttempts } = retry
    const { sql, settings, leases, id: worker } = this
    const lane = new Lane({
      ...{ ...settings, retry, sql, leases, worker, logger: this.options.logger },
      registration: { event, maxAttempts, handle, timeoutMs: options.timeoutMs },
      concurrency: options.concurrency,
      batchSize: options.batchSize ?? settings.batchSize,
      gatherMs: options.gatherMs ?? 0,
      onSettled: (type, settled) => this.afterSettling(type, settled),
    })
    this.lanes.set(event.name, lane)
    return this
  }

  private afterSettling(type: string, settled: Settled): void {
    this.rates.add(type, settled)
    for (const freed of settled.freed) bellOf(this.options.database.sql).ring(freed)
  }

  private routine(name: string, everyMs: number, run: () => Promise<unknown>): Routine {
    return new Routine({ name, everyMs, run, logger: this.options.logger })
  }

  /** Finds what no notification told of: what was put off, given up or not told. */
  private async poll(): Promise<void> {
    const reaped = await reapClaims(this.sql)
    const due = await findDueTypes(this.sql, [...this.lanes.keys()])
    for (const type of [...reaped, ...due]) this.lanes.get(type)?.bell.ring()
  }

  /** One at a time: what kills this worker is then known. */
  private async runSuspects(): Promise<RoundCounts> {
    let sums = NOTHING_DONE
    for (const type of await findSuspectTypes(this.sql, [...this.lanes.keys()])) {
      for (;;) {
        const round = await this.lanes.get(type)?.runSuspect()
        if (!round || round.claimed === 0) break
        sums = addCounts(sums, round)
      }
    }
    return sums
  }
}

function addCounts(a: RoundCounts, b: RoundCounts): RoundCounts {
  const sum = { ...a }
  for (const key of Object.keys(NOTHING_DONE) as (keyof RoundCounts)[]) sum[key] += b[key]
  return sum
}
