import { randomUUID } from 'node:crypto'
import type { Database, Db } from '#db/client'
import type { Logger } from '#infra/logger'
import { DEFAULT_RETRY, Discard, decide, type Outcome, type RetryPolicy } from './decide'
import type { EventDefinition } from './event'
import { type Settlement, settle, type Verdict } from './settle'
import { type ClaimedEvent, claimEvents, extendClaims, releaseEvents } from './store'
import { WakeUp } from './wake-up'

/** Does the work of an event. At least once: doing it again must change nothing. */
export type Handler<T> = (payload: T, context: { event: ClaimedEvent }) => Promise<void>

export interface WorkerOptions {
  database: Database
  logger: Logger
  /** Events taken at once by one lane; their handlers run side by side. */
  batchSize?: number
  /** Loops that claim on their own: a slow handler holds up only its own lane. */
  lanes?: number
  /** Milliseconds after which a dead worker's events are taken over; extended while it lives. */
  leaseMs?: number
  /** Longest wait between looks when no notification comes. */
  pollMs?: number
  /** Uniform in [0, 1). */
  random?: () => number
}

interface Registration {
  event: EventDefinition<unknown>
  handle: Handler<unknown>
  retry: RetryPolicy
}

/** What one round did. `lost`: events that another worker had taken over before we were done. */
export interface RoundCounts extends Settlement {
  claimed: number
}

const NOTHING: RoundCounts = { claimed: 0, done: 0, retried: 0, dead: 0, lost: 0 }
/** Pause after a round that failed as a whole, which means that the database is away. */
const PAUSE_AFTER_FAILURE_MS = 1_000

/** Takes events off the queue and runs their handlers. One per process. */
export class Worker {
  private readonly registrations = new Map<string, Registration>()
  private readonly db: Db
  private readonly settings: Required<Omit<WorkerOptions, 'database' | 'logger'>>
  private readonly wakeUp: WakeUp
  private lanes: Promise<void>[] = []
  private stopping = false

  constructor(private readonly options: WorkerOptions) {
    this.db = options.database.db
    this.settings = {
      batchSize: options.batchSize ?? 10,
      lanes: options.lanes ?? 2,
      leaseMs: options.leaseMs ?? 15_000,
      pollMs: options.pollMs ?? 1_000,
      random: options.random ?? Math.random,
    }
    this.wakeUp = new WakeUp(options.database.sql, options.logger)
  }

  /** Registers the one handler of an event. @throws Error when it has one already */
  on<T>(event: EventDefinition<T>, handle: Handler<T>, retry: Partial<RetryPolicy> = {}): this {
    if (this.registrations.has(event.name)) throw new Error(`${event.name} has a handler already`)
    const registration = { event, handle, retry: { ...DEFAULT_RETRY, ...retry } }
    this.registrations.set(event.name, registration as unknown as Registration)
    return this
  }

  /** Claims one batch, runs it and settles each event on its own; returns what became of them. */
  async runOnce(): Promise<RoundCounts> {
    const token = randomUUID()
    const types = [...this.registrations.keys()]
    const { batchSize: limit, leaseMs } = this.settings
    const claimed = await claimEvents(this.db, { token, types, limit, leaseMs })
    if (claimed.length === 0) return NOTHING
    const stopHeartbeat = this.startHeartbeat(token, claimed)
    try {
      return { ...(await this.runBatch(token, claimed)), claimed: claimed.length }
    } finally {
      stopHeartbeat()
    }
  }

  /** Runs until nothing is ready; for tests and for a last round. @returns the sums of the rounds */
  async drain(): Promise<RoundCounts> {
    let sums = NOTHING
    for (;;) {
      const round = await this.runOnce()
      if (round.claimed === 0) return sums
      sums = addCounts(sums, round)
    }
  }

  async start(): Promise<void> {
    this.stopping = false
    await this.wakeUp.start()
    this.lanes = Array.from({ length: this.settings.lanes }, () => this.loop())
  }

  /** Claims nothing more, waits for what runs and settles it. */
  async stop(): Promise<void> {
    this.stopping = true
    this.wakeUp.wake()
    await Promise.all(this.lanes)
    this.lanes = []
    await this.wakeUp.stop()
  }

  private async loop(): Promise<void> {
    while (!this.stopping) {
      const seen = this.wakeUp.count
      const more = await this.runOnce().then(
        ({ claimed }) => claimed === this.settings.batchSize,
        (error: unknown) => this.reportFailedRound(error),
      )
      if (more === null) await this.wakeUp.pause(PAUSE_AFTER_FAILURE_MS, () => this.stopping)
      else if (!more && !this.stopping) await this.wakeUp.wait(seen, this.settings.pollMs)
    }
  }

  private reportFailedRound(error: unknown): null {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    this.options.logger.error({ err: cause }, 'queue.round-failed')
    return null
  }

  /**
   * An event during whose last attempt the worker died may kill this one too. It runs when all
   * others are settled, and alone, so that it takes no innocent neighbour's attempts along.
   */
  private async runBatch(token: string, claimed: ClaimedEvent[]): Promise<Settlement> {
    const isSuspect = (event: ClaimedEvent) => event.attempts - 1 > event.failures
    const [suspect, ...others] = claimed.filter(isSuspect)
    await releaseEvents(
      this.db,
      token,
      others.map((event) => event.id),
    )
    const settled = await this.runAll(
      token,
      claimed.filter((event) => !isSuspect(event)),
    )
    if (!suspect) return settled
    return addCounts({ ...settled, claimed: 0 }, await this.runAll(token, [suspect]))
  }

  private async runAll(token: string, batch: ClaimedEvent[]): Promise<Settlement> {
    const verdicts = await Promise.all(batch.map((event) => this.judge(event)))
    const settled = await settle(this.db, token, verdicts)
    for (const { event, decision } of verdicts) {
      if (decision.kind === 'done') continue
      const { id, type, attempts } = event
      const level = decision.kind === 'dead' ? 'error' : 'warn'
      const facts = { eventId: id, type, attempts, reason: decision.message }
      this.options.logger[level](facts, `queue.event-${decision.kind}`)
    }
    return settled
  }

  private async judge(event: ClaimedEvent): Promise<Verdict> {
    const registration = this.registrations.get(event.type)
    const retry = registration?.retry ?? DEFAULT_RETRY
    const outcome = await attempt(event, registration)
    return { event, decision: decide(outcome, event.attempts, retry, this.settings.random()) }
  }

  private startHeartbeat(token: string, claimed: ClaimedEvent[]): () => void {
    const { leaseMs } = this.settings
    const ids = claimed.map((event) => event.id)
    const beat = () => {
      extendClaims(this.db, token, ids, leaseMs).catch((error: unknown) => {
        this.options.logger.warn({ err: error }, 'queue.heartbeat-failed')
      })
    }
    const timer = setInterval(beat, leaseMs / 3)
    return () => clearInterval(timer)
  }
}

async function attempt(
  event: ClaimedEvent,
  registration: Registration | undefined,
): Promise<Outcome> {
  try {
    if (!registration) throw new Discard(`nobody handles ${event.type}`)
    if (event.attempts > registration.retry.maxAttempts) {
      throw new Discard('the worker died during the last attempt')
    }
    const payload = registration.event.schema.safeParse(event.payload)
    if (!payload.success) {
      throw new Discard('the payload does not have the shape of its event', {
        cause: payload.error,
      })
    }
    await registration.handle(payload.data, { event })
    return { ok: true }
  } catch (error) {
    return { ok: false, error }
  }
}

function addCounts(a: RoundCounts, b: Settlement & { claimed?: number }): RoundCounts {
  return {
    claimed: a.claimed + (b.claimed ?? 0),
    done: a.done + b.done,
    retried: a.retried + b.retried,
    dead: a.dead + b.dead,
    lost: a.lost + b.lost,
  }
}
