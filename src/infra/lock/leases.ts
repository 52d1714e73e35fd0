import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Db } from '#db/client'

/** A right held for a while. `token` grows with every holder and fences what a late one writes. */
export interface Lease {
  readonly name: string
  readonly token: number
  readonly ttlMs: number
}

/** The lease ran out or has another holder: what was begun under it must not be finished. */
export class LeaseLost extends Error {
  constructor(readonly leaseName: string) {
    super(`the lease ${leaseName} is no longer ours`)
    this.name = 'LeaseLost'
  }
}

/**
 * Named leases in Postgres, timed by its clock alone: a process with a wrong clock, a stopped one and
 * a connection pool change nothing. Rows stay when released, so that tokens never go back.
 */
export class Leases {
  constructor(
    private readonly db: Db,
    /** Names this process to whoever looks at the table. */
    private readonly holder: string = randomUUID(),
  ) {}

  /** Takes the lease for `ttlMs` milliseconds; null while somebody holds it (also we ourselves). */
  async acquire(name: string, ttlMs: number): Promise<Lease | null> {
    const [row] = await this.db.execute<{ token: string }>(sql`
      insert into leases (name, holder, token, expires_at)
      values (${name}, ${this.holder}, 1, ${inMs(ttlMs)})
      on conflict (name) do update set
        holder = excluded.holder, token = leases.token + 1, expires_at = ${inMs(ttlMs)}
      where leases.expires_at <= clock_timestamp()
      returning token`)
    return row ? { name, token: Number(row.token), ttlMs } : null
  }

  /** Extends the lease from now; false when it was lost, even if nobody has taken it since. */
  async renew(lease: Lease): Promise<boolean> {
    const rows = await this.db.execute(sql`
      update leases set expires_at = ${inMs(lease.ttlMs)}
      where name = ${lease.name} and token = ${lease.token} and expires_at > clock_timestamp()
      returning token`)
    return rows.length > 0
  }

  /** Gives the lease back at once; harmless when it was lost. */
  async release(lease: Lease): Promise<void> {
    await this.db.execute(sql`
      update leases set expires_at = '-infinity'
      where name = ${lease.name} and token = ${lease.token}`)
  }

  /**
   * For the last transaction of work done under a lease: nobody can take it until `tx` ends.
   * @throws LeaseLost when it is not ours any more
   */
  async assertHeld(tx: Db, lease: Lease): Promise<void> {
    const rows = await tx.execute(sql`
      select token from leases
      where name = ${lease.name} and token = ${lease.token} and expires_at > clock_timestamp()
      for share`)
    if (rows.length === 0) throw new LeaseLost(lease.name)
  }

  /**
   * Runs `work` under the lease, renewed at every third of its time. The signal aborts when the lease
   * is lost or cannot be renewed in time.
   *
   * @returns what `work` returned, or null when somebody else holds the lease
   * @throws LeaseLost when it was lost before `work` ended
   */
  async withLease<T>(
    name: string,
    ttlMs: number,
    work: (lease: Lease, signal: AbortSignal) => Promise<T>,
  ): Promise<{ result: T } | null> {
    const lease = await this.acquire(name, ttlMs)
    if (!lease) return null
    const lost = new AbortController()
    const stopRenewing = this.keepRenewed(lease, () => lost.abort(new LeaseLost(name)))
    try {
      const result = await work(lease, lost.signal)
      lost.signal.throwIfAborted()
      return { result }
    } finally {
      stopRenewing()
      await this.release(lease)
    }
  }

  private keepRenewed(lease: Lease, onLoss: () => void): () => void {
    let heldUntil = performance.now() + lease.ttlMs
    const renew = async () => {
      const askedAt = performance.now()
      const held = await this.renew(lease).catch(() => null)
      if (held) heldUntil = askedAt + lease.ttlMs
      // No answer proves nothing until the time is over by which somebody else may have taken it.
      if (held === false || performance.now() >= heldUntil) onLoss()
    }
    const timer = setInterval(() => void renew(), lease.ttlMs / 3)
    return () => clearInterval(timer)
  }
}

const inMs = (ms: number) => sql`clock_timestamp() + ${ms}::float8 * interval '1 millisecond'`
