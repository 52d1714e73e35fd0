import type { Sql } from '#db/client'
import type { RateLimit } from '#db/schema/pricing'
import { capOf, type Terms, termsByIds } from '#modules/pricing'
import type { EdgeQuota, RateLimit as EdgeRateLimit } from './authorize-limits'
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
  periodId: string
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
    'per_' || replace(p.id::text, '-', '') as "periodId",
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
  quota: EdgeQuota | null
  terms: Terms
  /** By amount: many subscriptions have the same cap. */
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
    for (const { id, rateLimits, ...terms } of await termsByIds(this.sql, [...unknown])) {
      const { quotaLimit: limit, quotaHard: hard } = terms
      this.#plans.set(id, {
        rateLimits: rateLimits.map(toRateLimit),
        quota: limit === null ? null : { limit, hard },
        terms,
        caps: new Map(),
      })
    }
  }

  /** Null for a row whose plan was not learned. */
  subscriptionOf(row: SubscriptionRow): EdgeSubscription | null {
    const plan = this.#plans.get(row.planId)
    if (plan === undefined) return null
    return {
      id: row.id,
      status: row.status,
      rateLimits: plan.rateLimits,
      quota: plan.quota,
      period: { id: row.periodId, start: row.start, end: row.end },
      cap: row.spendCap === null ? null : capIn(plan, row.spendCap),
      ledger: { calls: Number(row.calls ?? 0), units: Number(row.units ?? 0) },
    }
  }
}

function toRateLimit({ per, limit, window }: RateLimit): EdgeRateLimit {
  return { scope: per, limit, windowSeconds: WINDOW_SECONDS[window] }
}

function capIn({ caps, terms }: EdgePlan, amount: string): SpendCap {
  let cap = caps.get(amount)
  if (cap === undefined) {
    cap = capOf(terms, Number(amount))
    caps.set(amount, cap)
  }
  return cap
}
