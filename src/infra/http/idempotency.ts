import { createHash } from 'node:crypto'
import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { idempotencyKeys } from '#db/schema/infra'
import type { Clock } from '#lib/clock'
import type { Sealer } from '#lib/sealing'
import { IdempotencyKeyInUse, IdempotencyKeyReused } from './errors'
import type { RetryClaim } from './retry'

export interface StoredAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

const KEPT_MS = 24 * 3_600_000
/** A call that has not answered after this long is taken for dead, and its key is free again. */
const LOCK_MS = 60_000
const FREE = new Date(0)

/**
 * Remembers the answers of requests that must not be done twice. One insert claims the key, so of
 * many identical requests exactly one runs; the others are told to wait or get its answer.
 */
export class IdempotencyStore {
  constructor(
    private readonly db: Db,
    private readonly sealer: Sealer,
    private readonly clock: Clock,
  ) {}

  static fingerprint(method: string, path: string, body: unknown): string {
    return createHash('sha256')
      .update(`${method} ${path}\n${JSON.stringify(body ?? null)}`)
      .digest('hex')
  }

  /**
   * Claims the key for this request.
   * @returns the claim when the request is to be run, or the answer of its first run
   */
  async begin(
    scope: string,
    key: string,
    fingerprint: string,
  ): Promise<{ claim: IdempotencyClaim } | { answer: StoredAnswer }> {
    const now = this.clock.now()
    const lock = new Date(now.getTime() + LOCK_MS)
    const claim = {
      fingerprint,
      sealedAnswer: null,
      lockedUntil: lock,
      expiresAt: new Date(now.getTime() + KEPT_MS),
    }
    const { sealedAnswer, sealedDraft, lockedUntil, expiresAt } = idempotencyKeys
    const expired = lt(expiresAt, now)
    const abandoned = sql`${sealedAnswer} is null and ${lt(lockedUntil, now)}
      and ${eq(idempotencyKeys.fingerprint, fingerprint)}`
    const [claimed] = await this.db
      .insert(idempotencyKeys)
      .values({ scope, key, ...claim, createdAt: now })
      .onConflictDoUpdate({
        target: [idempotencyKeys.scope, idempotencyKeys.key],
        set: { ...claim, sealedDraft: sql`case when ${expired} then null else ${sealedDraft} end` },
        setWhere: sql`${expired} or (${abandoned})`,
      })
      .returning({ sealedDraft })
    if (!claimed) return { answer: await this.earlier(scope, key, fingerprint) }
    return { claim: new IdempotencyClaim(this.db, this.sealer, { scope, key, lock }, claimed) }
  }

  private async earlier(scope: string, key: string, fingerprint: string): Promise<StoredAnswer> {
    const is = and(eq(idempotencyKeys.scope, scope), eq(idempotencyKeys.key, key))
    const [row] = await this.db.select().from(idempotencyKeys).where(is)
    if (row && row.fingerprint !== fingerprint) throw new IdempotencyKeyReused()
    if (!row?.sealedAnswer) throw new IdempotencyKeyInUse()
    return JSON.parse(this.sealer.open(row.sealedAnswer)) as StoredAnswer
  }

  /** Forgets answers that nobody may ask for any more. @returns how many */
  async deleteExpired(now: Date): Promise<number> {
    const rows = await this.db
      .delete(idempotencyKeys)
      .where(lt(idempotencyKeys.expiresAt, now))
      .returning({ key: idempotencyKeys.key })
    return rows.length
  }
}

/**
 * The right to carry a request out. A call that is taken for dead loses it to its retry: from then on it
 * can neither keep nor answer anything.
 */
export class IdempotencyClaim implements RetryClaim {
  readonly kept: unknown

  constructor(
    private readonly db: Db,
    private readonly sealer: Sealer,
    private readonly of: { scope: string; key: string; lock: Date },
    { sealedDraft }: { sealedDraft: string | null },
  ) {
    this.kept = sealedDraft === null ? null : JSON.parse(sealer.open(sealedDraft))
  }

  async keep(tx: Db, value: unknown): Promise<void> {
    const sealedDraft = this.sealer.seal(JSON.stringify(value))
    const rows = await tx
      .update(idempotencyKeys)
      .set({ sealedDraft })
      .where(this.isOurs())
      .returning({ key: idempotencyKeys.key })
    if (rows.length === 0) throw new IdempotencyKeyInUse()
  }

  async finish(answer: StoredAnswer): Promise<void> {
    await this.db
      .update(idempotencyKeys)
      .set({ sealedAnswer: this.sealer.seal(JSON.stringify(answer)), sealedDraft: null })
      .where(this.isOurs())
  }

  /** The same request may be sent again; it goes on from what this one kept, if anything. */
  async release(): Promise<void> {
    const { sealedDraft } = idempotencyKeys
    await this.db.delete(idempotencyKeys).where(and(this.isOurs(), isNull(sealedDraft)))
    await this.db.update(idempotencyKeys).set({ lockedUntil: FREE }).where(this.isOurs())
  }

  private isOurs() {
    const { scope, key, lockedUntil } = idempotencyKeys
    const { of } = this
    return and(eq(scope, of.scope), eq(key, of.key), eq(lockedUntil, of.lock))
  }
}
