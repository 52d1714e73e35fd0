import { createHash } from 'node:crypto'
import { and, eq, lt, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { idempotencyKeys } from '#db/schema/infra'
import type { Clock } from '#lib/clock'
import type { Sealer } from '#lib/sealing'
import { IdempotencyKeyInUse, IdempotencyKeyReused } from './errors'

export interface StoredAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

const KEPT_MS = 24 * 3_600_000
/** A call that has not answered after this long is taken for dead, and its key is free again. */
const LOCK_MS = 60_000

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
   * @returns null when the request is to be run, or the answer of its first run
   */
  async begin(scope: string, key: string, fingerprint: string): Promise<StoredAnswer | null> {
    const now = this.clock.now()
    const claim = {
      fingerprint,
      sealedAnswer: null,
      lockedUntil: new Date(now.getTime() + LOCK_MS),
      expiresAt: new Date(now.getTime() + KEPT_MS),
    }
    const { sealedAnswer, lockedUntil, expiresAt } = idempotencyKeys
    const abandoned = sql`${sealedAnswer} is null and ${lt(lockedUntil, now)}
      and ${eq(idempotencyKeys.fingerprint, fingerprint)}`
    const claimed = await this.db
      .insert(idempotencyKeys)
      .values({ scope, key, ...claim, createdAt: now })
      .onConflictDoUpdate({
        target: [idempotencyKeys.scope, idempotencyKeys.key],
        set: claim,
        setWhere: sql`${lt(expiresAt, now)} or (${abandoned})`,
      })
      .returning({ key: idempotencyKeys.key })
    return claimed.length > 0 ? null : this.earlier(scope, key, fingerprint)
  }

  private async earlier(scope: string, key: string, fingerprint: string): Promise<StoredAnswer> {
    const [row] = await this.db.select().from(idempotencyKeys).where(this.is(scope, key))
    if (row && row.fingerprint !== fingerprint) throw new IdempotencyKeyReused()
    if (!row?.sealedAnswer) throw new IdempotencyKeyInUse()
    return JSON.parse(this.sealer.open(row.sealedAnswer)) as StoredAnswer
  }

  async finish(scope: string, key: string, answer: StoredAnswer): Promise<void> {
    await this.db
      .update(idempotencyKeys)
      .set({ sealedAnswer: this.sealer.seal(JSON.stringify(answer)) })
      .where(this.is(scope, key))
  }

  /** The request had no effect: the same key may be sent again. */
  async release(scope: string, key: string): Promise<void> {
    await this.db.delete(idempotencyKeys).where(this.is(scope, key))
  }

  /** Forgets answers that nobody may ask for any more. @returns how many */
  async deleteExpired(now: Date): Promise<number> {
    const rows = await this.db
      .delete(idempotencyKeys)
      .where(lt(idempotencyKeys.expiresAt, now))
      .returning({ key: idempotencyKeys.key })
    return rows.length
  }

  private is(scope: string, key: string) {
    return and(eq(idempotencyKeys.scope, scope), eq(idempotencyKeys.key, key))
  }
}
