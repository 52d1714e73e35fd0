import type { Sql } from '#db/client'
import type { RateLimit } from '#db/schema/pricing'
import type { Logger } from '#infra/logger'
import type { EdgeScope } from './authorize-scope'
import type { EdgeKey, EdgeKeyStatus, EdgeState, EdgeSubscription } from './edge-state'

const WINDOW_SECONDS = { second: 1, minute: 60, hour: 3_600, day: 86_400 } as const

/** Rows fetched at a time, so that a million keys never stand in memory twice. */
const BATCH = 5_000

interface KeyRow {
  id: string
  secretHash: Uint8Array
  apiId: string
  subscriptionId: string
  status: EdgeKeyStatus | 'failed_sync'
  expiresAt: Date | null
  scope: EdgeScope | null
}

interface SubscriptionRow {
  id: string
  apiId: string
  status: string
  rateLimits: RateLimit[]
  quotaLimit: string | null
  quotaHard: boolean
  periodId: string
  startsAt: Date
  endsAt: Date
  calls: string | null
  units: string | null
}

/**
 * Keeps the edge's memory equal to Postgres: everything at start, then what changed.
 *
 * A change announces itself (LISTEN), and a look every second makes up for a lost announcement.
 * Each look asks for rows written by transactions that had not ended at the last look, so none is
 * skipped that committed late. With Postgres away the edge goes on with what it knows.
 */
export class EdgeLoader {
  /** Transactions from here on may have written since the last look. */
  private since = '0'
  private loading: Promise<void> | null = null
  private again = false
  private unlisten: (() => Promise<void>) | null = null
  private timer: ReturnType<typeof setInterval> | null = null

  constructor(
    private readonly sql: Sql,
    private readonly state: EdgeState,
    private readonly logger: Logger,
  ) {}

  /** Loads everything; resolves when the edge may answer. */
  async start(pollMs = 1_000): Promise<void> {
    await this.refresh()
    const listening = await this.sql.listen(
      'veil_edge',
      () => this.hint(),
      () => this.hint(),
    )
    this.unlisten = listening.unlisten
    this.timer = setInterval(() => this.hint(), pollMs)
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer)
    await this.unlisten?.().catch(() => undefined)
    await this.loading?.catch(() => undefined)
  }

  private hint(): void {
    this.refresh().catch((error) =>
      this.logger.warn({ reason: String(error) }, 'edge.refresh-failed'),
    )
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
      this.since = row?.xmin ?? this.since
    } while (this.again)
  }

  /** Looks one key up that the edge does not know, or knows as pending: it may be brand-new. */
  async resolve(keyId: string): Promise<boolean> {
    const publicId = keyId.slice('key_'.length)
    const [key] = await this.sql<KeyRow[]>`${this.selectKeys()} where k.id = ${publicId}`
    if (!key || key.status === 'pending') return false
    const subscription = key.subscriptionId.slice('sub_'.length)
    const rows = await this.sql<SubscriptionRow[]>`
      ${this.selectSubscriptions()} where s.id = ${subscription}`
    for (const row of rows) this.state.upsertSubscription(toSubscription(row))
    this.state.upsertKey(toKey(key))
    return true
  }

  private async loadSubscriptions(): Promise<void> {
    const changed = this
      .sql`${this.selectSubscriptions()} where s.changed_xid >= ${this.since}::xid8`
    for await (const rows of changed.cursor(BATCH))
      for (const row of rows) this.state.upsertSubscription(toSubscription(row as SubscriptionRow))
  }

  private async loadKeys(): Promise<void> {
    // At start the long dead are left out: what the edge does not know it refuses as well.
    const alive =
      this.since === '0'
        ? this.sql`and (k.status not in ('revoked', 'expired')
            or k.updated_at > now() - interval '90 days')`
        : this.sql``
    const changed = this.sql`
      ${this.selectKeys()} where k.changed_xid >= ${this.since}::xid8 ${alive}`
    for await (const rows of changed.cursor(BATCH))
      for (const row of rows) this.state.upsertKey(toKey(row as KeyRow))
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

  private selectKeys() {
    return this.sql`
      select k.id, k.secret_hash as "secretHash", k.status, k.expires_at as "expiresAt",
        k.scope,
        'api_' || replace(k.api_id::text, '-', '') as "apiId",
        'sub_' || replace(k.subscription_id::text, '-', '') as "subscriptionId"
      from api_keys k`
  }

  private selectSubscriptions() {
    return this.sql`
      select 'sub_' || replace(s.id::text, '-', '') as id,
        'api_' || replace(s.api_id::text, '-', '') as "apiId", s.status,
        m.rate_limits as "rateLimits", m.quota_limit as "quotaLimit", m.quota_hard as "quotaHard",
        'per_' || replace(p.id::text, '-', '') as "periodId",
        p.starts_at as "startsAt", p.ends_at as "endsAt", c.calls, c.units
      from api_subscriptions s
      join lateral (select * from billing_periods b where b.subscription_id = s.id
        order by b.ordinal desc limit 1) p on true
      join pricing_models m on m.id = p.pricing_model_id
      left join usage_counters c on c.subscription_id = s.id and c.billing_period_id = p.id`
  }
}

const toKey = (row: KeyRow): EdgeKey => ({
  ...row,
  // Its push failed, but a call that got here came past the allow-list: the gateway has it now.
  status: row.status === 'failed_sync' ? 'active' : row.status,
  expiresAt: row.expiresAt?.getTime() ?? null,
})

const toSubscription = (row: SubscriptionRow): EdgeSubscription => ({
  id: row.id,
  apiId: row.apiId,
  status: row.status,
  rateLimits: row.rateLimits.map(({ per, limit, window }) => ({
    scope: per,
    limit,
    windowSeconds: WINDOW_SECONDS[window],
  })),
  quota:
    row.quotaLimit === null
      ? null
      : {
          limit: Number(row.quotaLimit),
          hard: row.quotaHard,
          periodId: row.periodId,
          periodStart: row.startsAt.getTime(),
          periodEnd: row.endsAt.getTime(),
        },
  ledger: { calls: Number(row.calls ?? 0), units: Number(row.units ?? 0) },
})
