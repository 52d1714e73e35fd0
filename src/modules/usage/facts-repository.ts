import type { Db } from '#db/client'
import { rawClient } from '#db/client'
import type { OperationWeight, StatusRange } from '#db/schema/pricing'
import type { SubscriptionStatus } from '#db/schema/subscriptions'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import { parseOperationPattern } from '#lib/operation-pattern'
import type { CallWeight, KeyFacts } from './resolve-events'

/** Changes when a billing period is cut, moved or deleted; not when one is opened or closed. */
export async function periodsVersion(db: Db): Promise<string> {
  const rows = await rawClient(db)<{ version: string }[]>`
    select version::text from billing_periods_version`
  return rows[0]?.version ?? ''
}

interface Row {
  key_id: string
  subscription_id: string
  api_id: string
  status: SubscriptionStatus
  periods: PeriodRow[]
}

interface PeriodRow {
  id: string
  s: string
  e: string
  b: StatusRange[]
  w: OperationWeight[]
  q: number | null
}

/** Everything that is needed to book calls of these keys; keys that do not exist are missing. */
export async function loadKeys(
  db: Db,
  keyIds: readonly Id<'key'>[],
): Promise<Map<string, KeyFacts>> {
  const ids = `{${keyIds.map((id) => id.slice('key_'.length)).join(',')}}`
  const rows = await rawClient(db)<Row[]>`
    select api_keys.id as key_id, subscription_id, api_keys.api_id,
      api_subscriptions.status, periods
    from api_keys
    join api_subscriptions on api_subscriptions.id = subscription_id
    cross join lateral (
      select coalesce(json_agg(json_build_object('id', period.id, 's', starts_at, 'e', ends_at,
        'b', billable_statuses, 'w', operation_weights, 'q', period.quota_limit) order by ordinal desc), '[]') as periods
      from billing_periods as period
      join pricing_models on pricing_models.id = period.pricing_model_id
      where period.subscription_id = api_keys.subscription_id
    ) as found
    where api_keys.id = any (${ids}::text::text[])`
  return new Map(rows.map((row) => [`key_${row.key_id}`, toFacts(row)]))
}

const toFacts = (row: Row): KeyFacts => ({
  key: row.key_id,
  subscription: row.subscription_id,
  api: row.api_id,
  subscriptionStatus: row.status,
  periods: row.periods.map(({ id, s, e, b, w, q }) => ({
    id,
    startsAt: new Date(s).toISOString(),
    endsAt: new Date(e).toISOString(),
    billableStatuses: b,
    weights: w.map(toWeight),
    included: q,
  })),
})

/** Plans take only what can be read. */
const toWeight = ({ operation, units }: OperationWeight): CallWeight => ({
  pattern: invariant(parseOperationPattern(operation), operation),
  units,
})
