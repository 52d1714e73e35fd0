import type { Sql } from '#db/client'
import type { Logger } from '#infra/logger'
import {
  EdgePlans,
  type KeyRow,
  type SubscriptionRow,
  selectKeys,
  selectSubscriptions,
  toKey,
} from './edge-rows'
import type { SnapshotKeeper } from './edge-snapshots'
import type { EdgeState } from './edge-state'

/** Rows fetched at a time, so that a million keys never stand in memory twice. */
const BATCH = 5_000

/** How soon a look that failed is repeated: a revoked key must not pass long once Postgres is back. */
const RETRY_MS = 250

/** Rows taken over until garbage is collected: not reached by the changes of a day, often by a load. */
const ROWS_TO_COLLECT = 50_000

/**
 * Keeps the edge's memory equal to Postgres: everything at start, then what changed.
 *
 * A change announces itself (LISTEN), and a look every second makes up for a lost announcement.
 * Each look asks for rows written by transactions that had not ended at the last look, so none is
 * skipped that committed late. With Postgres away the edge goes on with what it knows, and starts from
 * a snapshot on disk.
 */
export class EdgeLoader {
  /** Transactions from here on may have written since the last look. */
  private since = '0'
  private loading: Promise<void> | null = null
  private again = false
  private unlisten: (() => Promise<void>) | null = null
  private timer: ReturnType<typeof setTimeout> | null = null
  private readonly plans: EdgePlans
  private uncollected = 0

  /** Started from a snapshot: once what changed is taken over, everything is read once more. */
  private catchingUp = false
  private failing = false

  constructor(
    private readonly sql: Sql,
    private readonly state: EdgeState,
    private readonly logger: Logger,
    private readonly snapshots: SnapshotKeeper | null = null,
  ) {
    this.plans = new EdgePlans(sql)
  }

  /** False while Postgres cannot be read: the edge goes on with what it knows. */
  get isCurrent(): boolean {
    return !this.failing
  }

  /**
   * Loads everything, or what the snapshot holds when Postgres is away; resolves when the edge may
   * answer. Rejects when there is neither.
   */
  async start(pollMs = 1_000): Promise<void> {
    try {
      await this.look()
    } catch (error) {
      const since = (await this.snapshots?.restore()) ?? null
      if (since === null) throw error
      this.since = since
      this.catchingUp = true
      this.failed(error)
    }
    this.lookAgain(pollMs)
  }

  private lookAgain(pollMs: number): void {
    this.timer = setTimeout(
      () =>
        this.look()
          .catch((error) => this.failed(error))
          .finally(() => this.timer && this.lookAgain(pollMs)),
      this.failing ? RETRY_MS : pollMs,
    )
  }

  async stop(): Promise<void> {
    if (!this.timer) return
    clearTimeout(this.timer)
    this.timer = null
    await this.unlisten?.().catch(() => undefined)
    await this.loading?.catch(() => undefined)
    await this.snapshots?.stop(this.since)
  }

  private hint(): void {
    this.look().catch((error) => this.failed(error))
  }

  private async look(): Promise<void> {
    await this.refresh()
    if (this.failing) this.logger.info({ keys: this.state.keyCount }, 'edge.current-again')
    this.failing = false
    this.unlisten ??= await this.listen()
    this.snapshots?.saveIfDue(this.since)
  }

  private async listen(): Promise<() => Promise<void>> {
    const hint = () => this.hint()
    return (await this.sql.listen('veil_edge', hint, hint)).unlisten
  }

  private failed(error: unknown): void {
    if (!this.failing) this.logger.warn({ reason: String(error) }, 'edge.refresh-failed')
    this.failing = true
  }

  /** Takes over what changed. A call during a look is answered by one more look after it. */
  refresh(): Promise<void> {
    if (this.loading) {
      this.again = true
      return this.loading
    }
    this.loading = this.loadUntilQuiet().finally(() => {
      this.loading = null
    })
    return this.loading
  }

  private async loadUntilQuiet(): Promise<void> {
    do {
      this.again = false
      const [row] = await this.sql<{ xmin: string }[]>`
        select pg_snapshot_xmin(pg_current_snapshot())::text as xmin`
      await this.loadSubscriptions()
      await this.loadKeys()
      await this.loadCounts()
      this.since = this.catchingUp ? '0' : (row?.xmin ?? this.since)
      this.again ||= this.catchingUp
      this.catchingUp = false
    } while (this.again)
  }

  /** Looks one key up that the edge does not know, or knows as pending: it may be brand-new. */
  async resolve(keyId: string): Promise<boolean> {
    const publicId = keyId.slice('key_'.length)
    const [key] = await this.sql<KeyRow[]>`${selectKeys(this.sql)} where k.id = ${publicId}`
    if (!key || key.status === 'pending') return false
    const subscription = key.subscriptionId.slice('sub_'.length)
    const rows = await this.sql<SubscriptionRow[]>`
      ${selectSubscriptions(this.sql)} where s.id = ${subscription}`
    await this.takeSubscriptions(rows)
    this.state.upsertKey(toKey(key))
    return true
  }

  private async loadSubscriptions(): Promise<void> {
    const changed = this.sql<SubscriptionRow[]>`
      ${selectSubscriptions(this.sql)} where s.changed_xid >= ${this.since}::xid8`
    for await (const rows of changed.cursor(BATCH)) {
      await this.takeSubscriptions(rows)
      this.collect(rows.length)
    }
  }

  private async takeSubscriptions(rows: readonly SubscriptionRow[]): Promise<void> {
    await this.plans.learn(rows)
    for (const row of rows) {
      const subscription = this.plans.subscriptionOf(row)
      if (subscription !== null) this.state.upsertSubscription(subscription)
    }
  }

  private async loadKeys(): Promise<void> {
    // At start the long dead are left out: what the edge does not know it refuses as well.
    const alive =
      this.since === '0'
        ? this.sql`and (k.status not in ('revoked', 'expired')
            or k.updated_at > now() - interval '90 days')`
        : this.sql``
    const changed = this.sql<KeyRow[]>`
      ${selectKeys(this.sql)} where k.changed_xid >= ${this.since}::xid8 ${alive}`
    for await (const rows of changed.cursor(BATCH)) {
      for (const row of rows) this.state.upsertKey(toKey(row))
      this.collect(rows.length)
    }
  }

  /** The engine would let what rows leave behind grow to more than all that is kept. */
  private collect(rows: number): void {
    this.uncollected += rows
    if (this.uncollected < ROWS_TO_COLLECT) return
    this.uncollected = 0
    Bun.gc(true)
  }

  /** The ledger's counts of the subscriptions with calls that it had not shown yet. */
  private async loadCounts(): Promise<void> {
    const waiting = this.state.inFlightPeriods()
    if (waiting.length === 0) return
    const rows = await this.sql<
      { subscriptionId: string; periodId: string; calls: string; units: string }[]
    >`select 'sub_' || replace(subscription_id::text, '-', '') as "subscriptionId",
        'per_' || replace(billing_period_id::text, '-', '') as "periodId", calls, units
      from usage_counters where (subscription_id, billing_period_id) in (
        select * from unnest(
          ${waiting.map(({ subscriptionId }) => subscriptionId.slice(4))}::uuid[],
          ${waiting.map(({ periodId }) => periodId.slice(4))}::uuid[]))`
    for (const { subscriptionId, periodId, calls, units } of rows)
      this.state.recordLedger(subscriptionId, periodId, {
        calls: Number(calls),
        units: Number(units),
      })
  }
}
