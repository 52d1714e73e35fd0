import type { Sql } from '#db/client'
import type { RateLimit } from '#db/schema/pricing'
import { capOf, type RatedPeriod, type Terms, termsByIds } from '#modules/pricing'
import type { RateLimit as EdgeRateLimit } from './authorize-limits'
import type { EdgeScope } from './authorize-scope'
import type { EdgeKey, EdgeKeyStatus, EdgeSubscription } from './edge-state'
import type { SpendCap } from './edge-subscriptions'

const WINDOW_SECONDS = { second: 1, minute: 60, hour: 3_600, day: 86_400 } as const

export interface KeyRow {
  id: string
  secretHash: Uint8Array
  apiId: string
  subscriptionId: string
  status: EdgeKeyStatus
  /** Epoch ms. */
  expiresAt: number | null
  scope: EdgeScope | null
}

export interface SubscriptionRow {
  id: string
  status: string
  planId: string
  spendCap: string | null
  /** What is left of the plan's rate limits. */
  ratePercent: number
  endsWithPeriod: boolean
  periodId: string
  kind: RatedPeriod['kind']
  /** Milliseconds of the cycle that the period is of. */
  cycleMs: number
  /** Of the period, which may be a part of a cycle. */
  flatFee: string
  quotaLimit: number | null
  /** Epoch ms. */
  start: number
  end: number
  calls: string | null
  units: string | null
}

export const selectKeys = (sql: Sql) => sql`
  select k.id, k.secret_hash as "secretHash", k.status, k.scope,
    (extract(epoch from k.expires_at) * 1000)::float8 as "expiresAt",
    'api_' || replace(k.api_id::text, '-', '') as "apiId",
    'sub_' || replace(k.subscription_id::text, '-', '') as "subscriptionId"
  from api_keys k`

export const selectSubscriptions = (sql: Sql) => sql`
  select 'sub_' || replace(s.id::text, '-', '') as id, s.status,
    p.pricing_model_id as "planId", s.spend_cap as "spendCap",
    s.rate_limit_percent as "ratePercent",
    coalesce(s.cancel_at <= p.ends_at, false) as "endsWithPeriod",
    p.kind, (extract(epoch from p.cycle_ends_at - p.cycle_starts_at) * 1000)::float8 as "cycleMs",
    p.flat_fee::text as "flatFee",
    p.quota_limit::float8 as "quotaLimit", 'per_' || replace(p.id::text, '-', '') as "periodId",
    (extract(epoch from p.starts_at) * 1000)::float8 as start,
    (extract(epoch from p.ends_at) * 1000)::float8 as end, c.calls, c.units
  from api_subscriptions s
  join lateral (select * from billing_periods b where b.subscription_id = s.id
    order by b.ordinal desc limit 1) p on true
  left join usage_counters c on c.subscription_id = s.id and c.billing_period_id = p.id`

export const toKey = (row: KeyRow): EdgeKey => ({
  ...row,
  // Its push failed, but a call that got here came past the allow-list: the gateway has it now.
  status: row.status === 'failed_sync' ? 'active' : row.status,
})

/** A version of a plan, held once for all its subscriptions. */
interface EdgePlan {
  rateLimits: EdgeRateLimit[]
  terms: Terms
  /** By amount, for whole cycles: many subscriptions have the same cap. */
  caps: Map<string, SpendCap>
}

/** Plans as the edge needs them, read when a subscription first names them; a version never changes. */
export class EdgePlans {
  readonly #plans = new Map<string, EdgePlan>()

  constructor(private readonly sql: Sql) {}

  /** Reads the plans of these rows that are not known yet. */
  async learn(rows: readonly SubscriptionRow[]): Promise<void> {
    const unknown = new Set(rows.map(({ planId }) => planId).filter((id) => !this.#plans.has(id)))
    if (unknown.size === 0) return
    for (const { id, rateLimits, ...terms } of await termsByIds(this.sql, [...unknown]))
      this.#plans.set(id, {
        rateLimits: rateLimits.map(toRateLimit),
        terms,
        caps: new Map(),
      })
  }

  /** Null for a row whose plan was not learned. */
  subscriptionOf(row: SubscriptionRow): EdgeSubscription | null {
    const plan = this.#plans.get(row.planId)
    if (plan === undefined) return null
    const { quotaLimit: limit } = row
    return {
      id: row.id,
      status: row.status,
      rateLimits: softened(plan.rateLimits, row.ratePercent),
      // A trial costs nothing, so nothing passes beyond it.
      quota: limit === null ? null : { limit, hard: plan.terms.quotaHard || row.kind === 'trial' },
      period: { id: row.periodId, start: row.start, end: row.end },
      endsWithPeriod: row.endsWithPeriod,
      cap: row.spendCap === null ? null : capIn(plan, row, row.spendCap),
      ledger: { calls: Number(row.calls ?? 0), units: Number(row.units ?? 0) },
    }
  }
}

function toRateLimit({ per, limit, window }: RateLimit): EdgeRateLimit {
  return { scope: per, limit, windowSeconds: WINDOW_SECONDS[window] }
}

/** Of a plan's limits so many percent, at least one call each. */
function softened(limits: EdgeRateLimit[], percent: number): EdgeRateLimit[] {
  if (percent >= 100) return limits
  return limits.map((rate) => ({
    ...rate,
    limit: Math.max(1, Math.floor((rate.limit * percent) / 100)),
  }))
}

function capIn({ caps, terms }: EdgePlan, row: SubscriptionRow, amount: string): SpendCap {
  const period = ratedPeriod(row)
  const isWhole =
    period.share.part === period.share.whole &&
    period.flatFee === terms.flatFee &&
    period.quotaLimit === terms.quotaLimit
  if (!isWhole) return capOf(terms, Number(amount), period)
  let cap = caps.get(amount)
  if (cap === undefined) {
    cap = capOf(terms, Number(amount))
    caps.set(amount, cap)
  }
  return cap
}

const ratedPeriod = (row: SubscriptionRow): RatedPeriod => ({
  ...{ flatFee: BigInt(row.flatFee), quotaLimit: row.quotaLimit, kind: row.kind },
  share: { part: BigInt(row.end - row.start), whole: BigInt(row.cycleMs) },
})
