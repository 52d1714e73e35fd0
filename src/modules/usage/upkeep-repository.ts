import type { Sql } from '#db/client'

/** Drops the partitions of the ledger that end at `before` or earlier. @returns how many */
export async function dropRecordsBefore(sql: Sql, before: Date): Promise<number> {
  const dropped = await sql`select drop_usage_partitions(${before})`
  return dropped.length
}

/**
 * Writes, for every running period of a live subscription, its units at the end if they go on to come
 * as since its beginning. @returns how many
 */
export async function projectPeriods(sql: Sql, now: Date): Promise<number> {
  const { count } = await sql`
    insert into usage_projections (billing_period_id, units, as_of)
    select period.id, round(coalesce(counter.units, 0)
        * extract(epoch from period.ends_at - period.starts_at)
        / greatest(extract(epoch from ${now}::timestamptz - period.starts_at), 1)), ${now}
    from billing_periods as period
    join api_subscriptions as subscription on subscription.id = period.subscription_id
    left join usage_counters as counter
      on counter.subscription_id = period.subscription_id and counter.billing_period_id = period.id
    where period.starts_at <= ${now} and ${now} < period.ends_at
      and subscription.status not in ('cancelled', 'expired')
    on conflict (billing_period_id) do update set units = excluded.units, as_of = excluded.as_of`
  return count
}
