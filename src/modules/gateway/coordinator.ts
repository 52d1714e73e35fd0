import type { Db } from '#db/client'
import { violates } from '#db/errors'
import { recordAudit } from '#infra/audit'
import type { Logger } from '#infra/logger'
import type { Clock } from '#lib/clock'
import { AppError } from '#lib/errors'
import { newId } from '#lib/id'
import { ChangeInProgress } from './errors'
import type { Pusher } from './pusher'
import { type Commit, commitsInDoubt, finishCommit, insertCommit } from './repository'

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
  ) {}

  register(kind: string, participant: Participant): void {
    this.participants.set(kind, participant)
  }

  /** Carries a change through; throws what stopped it, with nothing left behind. */
  async run<T>(change: Change<T>): Promise<T> {
    const commit = this.logEntry(change)
    const prepared = await this.prepare(change, commit)
    await this.settle(commit)
    return prepared
  }

  private logEntry<T>({ kind, subjectId, undo = {} }: Change<T>): Commit {
    const now = this.clock.now()
    return {
      id: newId('gwc', this.clock),
      kind,
      subjectId,
      undo,
      state: 'preparing',
      attempt: 1,
      revision: null,
      error: null,
      createdAt: now,
      deadlineAt: new Date(now.getTime() + DEADLINE_MS),
      finishedAt: null,
    }
  }

  private async prepare<T>(change: Change<T>, commit: Commit): Promise<T> {
    try {
      return await this.db.transaction(async (tx) => {
        await insertCommit(tx, commit)
        return change.prepare(tx)
      })
    } catch (error) {
      if (violates(error, 'gateway_commits_open_subject'))
        throw new ChangeInProgress(change.subjectId)
      throw error
    }
  }

  private async settle(commit: Commit): Promise<void> {
    try {
      const { revision } = await this.pusher.push()
      await this.finish(commit, { state: 'committed', revision })
    } catch (error) {
      await this.finish(commit, { state: 'rolled_back', error: reasonOf(error) })
      throw error
    }
  }

  private async finish(
    commit: Commit,
    outcome: { state: 'committed' | 'rolled_back'; revision?: string; error?: string },
  ): Promise<void> {
    const at = this.clock.now()
    const participant = this.participants.get(commit.kind)
    if (!participant) throw new Error(`nobody takes part in ${commit.kind}`)
    await this.db.transaction(async (tx) => {
      if (!(await finishCommit(tx, commit.id, { ...outcome, at }))) return
      if (outcome.state === 'committed') await participant.commit(tx, commit.subjectId, at)
      else {
        await participant.rollBack(tx, commit.subjectId, commit.undo, at)
        const { kind, subjectId } = commit
        // What becomes of the subject is its owner's rule: a revoked key stays revoked.
        const details = { kind, commit: commit.id }
        await recordAudit(tx, {
          actorId: null,
          action: 'gateway.push-failed',
          subjectId,
          details,
          at,
        })
      }
    })
    this.logger.info(
      { commit: commit.id, kind: commit.kind, subject: commit.subjectId, error: outcome.error },
      outcome.state === 'committed' ? 'gateway.committed' : 'gateway.rolled-back',
    )
  }

  /**
   * Finishes what a killed process left behind: forward when the gateways take it, back when not.
   * @returns how many changes were settled
   */
  async recover(): Promise<number> {
    const inDoubt = await commitsInDoubt(this.db, this.clock.now())
    if (inDoubt.length === 0) return 0
    const outcome = await this.pusher.push().then(
      ({ revision }) => ({ state: 'committed' as const, revision }),
      (error: unknown) => ({ state: 'rolled_back' as const, error: reasonOf(error) }),
    )
    for (const commit of inDoubt) await this.finish(commit, outcome)
    return inDoubt.length
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof AppError && error.cause instanceof Error ? error.cause.message : String(error)
