import type { Db } from '#db/client'
import { violates } from '#db/errors'
import { recordAudit } from '#infra/audit'
import { keepForRetry, keptByEarlierTry } from '#infra/http'
import type { Logger } from '#infra/logger'
import type { Clock } from '#lib/clock'
import { AppError } from '#lib/errors'
import type { AtFailpoint } from '#lib/failpoint'
import { type Id, newId } from '#lib/id'
import { ChangeInProgress, GatewayFailure, GatewayRefused, GatewayUnavailable } from './errors'
import type { Pusher } from './pusher'
import {
  type Commit,
  commitsInDoubt,
  finishCommit,
  insertCommit,
  settledOutcome,
} from './repository'

/** The module that owns a kind of subject: it alone writes the subject's rows. */
export interface Participant {
  /** The gateway serves the change: make it final. */
  commit(db: Db, subjectId: string, at: Date): Promise<void>
  /** The gateway did not take it: put back what `prepare` changed. */
  rollBack(db: Db, subjectId: string, undo: Record<string, unknown>, at: Date): Promise<void>
}

export interface Change<T> {
  kind: string
  subjectId: string
  /** The API whose route carries the change: when it is refused, so is the change. */
  apiId: Id<'api'>
  /** Kept in the log for `rollBack`, which may run in another process. */
  undo?: Record<string, unknown>
  /** First phase: writes the subject so that the desired configuration has the change in it. */
  prepare(db: Db): Promise<T>
}

/** Longer than a push tries: while its coordinator lives, nobody else settles a change. */
const DEADLINE_MS = 30_000

/**
 * Two-phase commit between Postgres and the gateways.
 *
 * 1. One transaction: the subject is pending and a row of the log says so.
 * 2. The gateways are brought to what the database says; no transaction is open meanwhile.
 * 3. One transaction: the subject is final, or put back, and the row of the log is closed.
 *
 * A process killed after step 1 leaves a row in doubt; `recover` finishes it. Which of two settlers
 * wins is decided by the row: its state changes once.
 */
export class Coordinator {
  private readonly participants = new Map<string, Participant>()

  constructor(
    private readonly db: Db,
    private readonly pusher: Pusher,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly reached: AtFailpoint = () => undefined,
  ) {}

  register(kind: string, participant: Participant): void {
    this.participants.set(kind, participant)
  }

  /** Carries a change through; throws what stopped it, with nothing left behind. */
  async run<T>(change: Change<T>): Promise<T> {
    const { kind, subjectId, apiId, undo = {} } = change
    const commit = { id: newId('gwc', this.clock), kind, subjectId, apiId, undo }
    const prepared = await this.prepare(change, commit)
    await this.reached('commit.after-intent')
    const outcomeOf = await this.push()
    await this.finish(commit, outcomeOf(commit))
    return prepared
  }

  /**
   * For the first step of an operation that shows something once: when this request is the retry of one
   * whose process died, what that had prepared, and what became of it. Null when it is to begin anew.
   *
   * @throws ChangeInProgress while that is not settled
   */
  async resume<T>(): Promise<(Kept<T> & { state: Commit['state'] }) | null> {
    const kept = keptByEarlierTry() as Kept<T> | null
    if (kept === null) return null
    await this.recover()
    const { state } = await settledOutcome(this.db, kept.commitId)
    if (state === 'preparing') throw new ChangeInProgress(kept.subjectId)
    return { ...kept, state }
  }

  private async prepare<T>(change: Change<T>, commit: LogEntry): Promise<T> {
    try {
      return await this.db.transaction(async (tx) => {
        await insertCommit(tx, { ...commit, createdAt: this.clock.now() }, DEADLINE_MS)
        const prepared = await change.prepare(tx)
        await keepForRetry(tx, { commitId: commit.id, subjectId: commit.subjectId, prepared })
        await this.reached('commit.before-intent')
        return prepared
      })
    } catch (error) {
      if (violates(error, 'gateway_commits_open_subject'))
        throw new ChangeInProgress(change.subjectId)
      throw error
    }
  }

  /** Only an answer of the gateways decides; a database that is away leaves the change in doubt. */
  private push(): Promise<(commit: LogEntry) => Outcome> {
    return this.pusher.push().then(
      ({ revision, refused }) =>
        ({ apiId }) => {
          const reason = apiId === null ? undefined : refused.get(apiId)
          if (reason === undefined) return { state: 'committed', revision }
          return { state: 'rolled_back', failure: new GatewayRefused('the gateway', reason) }
        },
      (failure: unknown) => () => ({ state: 'rolled_back', failure }),
    )
  }

  /** @throws what stopped the change, also when somebody else has put it back meanwhile */
  private async finish(commit: LogEntry, outcome: Outcome): Promise<void> {
    const isOurs = await this.db.transaction((tx) => this.write(tx, commit, outcome))
    await this.reached('commit.after-outcome')
    if (!isOurs) return this.acceptOutcome(commit)
    const { id, kind, subjectId: subject } = commit
    if (outcome.state === 'committed') {
      this.logger.info({ commit: id, kind, subject }, 'gateway.committed')
      return
    }
    const error = reasonOf(outcome.failure)
    this.logger.info({ commit: id, kind, subject, error }, 'gateway.rolled-back')
    throw outcome.failure
  }

  private async write(tx: Db, commit: LogEntry, outcome: Outcome): Promise<boolean> {
    const { id, kind, subjectId, undo } = commit
    const participant = this.participants.get(kind)
    if (!participant) throw new Error(`nobody takes part in ${kind}`)
    const at = this.clock.now()
    if (outcome.state === 'committed') {
      if (!(await finishCommit(tx, id, { ...outcome, at }))) return false
      await participant.commit(tx, subjectId, at)
    } else {
      const { state, failure } = outcome
      if (!(await finishCommit(tx, id, { state, error: reasonOf(failure), at }))) return false
      await participant.rollBack(tx, subjectId, undo, at)
      // What becomes of the subject is its owner's rule: a revoked key stays revoked.
      const action = 'gateway.push-failed'
      await recordAudit(tx, { actorId: null, action, subjectId, details: { kind, commit: id }, at })
    }
    await this.reached('commit.before-outcome')
    return true
  }

  /**
   * We were held up past the deadline, and recovery settled the change: what it wrote holds, in the
   * gateway too, should a late write of ours have passed.
   */
  private async acceptOutcome({ id }: LogEntry): Promise<void> {
    await this.pusher.push().catch((error: unknown) => {
      this.logger.warn({ err: error, commit: id }, 'gateway.push-failed')
    })
    const { state, error } = await settledOutcome(this.db, id)
    if (state === 'rolled_back') throw new GatewayUnavailable('recovery', error ?? 'held up')
  }

  /**
   * Finishes what a killed process left behind: forward when the gateways take it, back when not.
   * @returns how many changes were settled
   */
  async recover(): Promise<number> {
    const inDoubt = await commitsInDoubt(this.db)
    if (inDoubt.length === 0) return 0
    const outcomeOf = await this.push()
    for (const commit of inDoubt)
      await this.finish(commit, outcomeOf(commit)).catch((error: unknown) => {
        if (error instanceof GatewayFailure) return
        // It stays in doubt; the others must not wait for it.
        this.logger.error({ err: error, commit: commit.id }, 'gateway.recovery-failed')
      })
    return inDoubt.length
  }
}

/** Of a change, for a retry of the request that asked for it. `prepared` has been through JSON. */
interface Kept<T> {
  commitId: Id<'gwc'>
  subjectId: string
  prepared: T
}

type LogEntry = Pick<Commit, 'id' | 'kind' | 'subjectId' | 'apiId' | 'undo'>

type Outcome = { state: 'committed'; revision: string } | { state: 'rolled_back'; failure: unknown }

const reasonOf = (error: unknown): string =>
  error instanceof AppError && error.cause instanceof Error ? error.cause.message : String(error)
