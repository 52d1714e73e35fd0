import type { Sql } from '../../src/db/client.ts'

const APIS = 100

/** Published APIs and subscriptions with a running period and a key each. @returns the keys' ids and APIs */
export async function seedSubscriptions(
  sql: Sql,
  count: number,
): Promise<{ keyId: string; slug: string }[]> {
  await sql.unsafe(`
    insert into users (id, email, name, roles)
      select uuidv7(), 'consumer-' || n || '@bench.test', 'Bench', '{consumer}'
      from generate_series(0, ${count}) n;
    insert into apis (id, owner_id, slug, name, status, upstream_url)
      select uuidv7(), (select id from users where email = 'consumer-0@bench.test'), 'bench-' || n,
        'Bench', 'published', 'http://127.0.0.1:9'
      from generate_series(1, ${APIS}) n;
    insert into pricing_models (id, api_id, slug, name, type, currency, billing_cycle,
        billable_statuses, quota_limit, quota_hard)
      select uuidv7(), id, 'pro', 'Pro', 'usage_based', 'EUR', 'monthly', '[{"from":200,"to":399}]',
        1000000, false
      from apis;
    insert into api_subscriptions (id, user_id, api_id, pricing_model_id, status, anchor_at)
      select uuidv7(), consumer.id, plan.api_id, plan.id, 'active', now() - interval '10 days'
      from (select id, row_number() over () n from users) consumer
      join (select *, row_number() over () n from pricing_models) plan on plan.n = 1 + consumer.n % ${APIS}
      limit ${count};
    insert into billing_periods (id, subscription_id, pricing_model_id, ordinal, cycle_index,
        starts_at, ends_at, cycle_starts_at, cycle_ends_at, flat_fee, quota_limit)
      select uuidv7(), id, pricing_model_id, 0, 0, anchor_at, anchor_at + interval '30 days',
        anchor_at, anchor_at + interval '30 days', 0, 1000000
      from api_subscriptions;
    insert into api_keys (id, subscription_id, api_id, name, secret_hash, last_four, status)
      select substr(md5(id::text), 1, 12), id, api_id, 'bench', sha256(id::text::bytea), '0000', 'active'
      from api_subscriptions;
    analyze`)
  return sql<{ keyId: string; slug: string }[]>`
    select 'key_' || api_keys.id as "keyId", slug
    from api_keys join apis on apis.id = api_id order by md5(api_keys.id)`
}

/**
 * Calls of the last days for all subscriptions alike, as if they had been counted; counters and rollups
 * stay behind.
 */
export async function fillLedger(sql: Sql, calls: number, days = 3): Promise<void> {
  await sql`
    insert into usage_records
    select subscription.id, now() - make_interval(secs => n * ${days * 86_400}::float8 / per), uuidv7(), 'gateway-0', n,
      subscription.api_id, substr(md5(subscription.id::text), 1, 12), period.id, 'GET',
      '/bench/v1/things/' || n, 200, 12, 0, 512, true, 1
    from (select ceil(${calls}::float8 / count(*))::int as per from api_subscriptions) as share
    cross join api_subscriptions as subscription
    join billing_periods as period on period.subscription_id = subscription.id
    cross join lateral generate_series(per, 1, -1) as n
    order by subscription.id, n desc`
  await sql`vacuum analyze usage_records`
}

/** Operations of an API in each hour, and buckets of each one's durations. */
const [OPERATIONS, BUCKETS] = [20, 40]

/** Counts the ledger as the worker would have, in about the shape that calls of many operations have. */
export async function rollUp(sql: Sql): Promise<void> {
  await sql.unsafe(`
    insert into usage_counters (subscription_id, billing_period_id, calls, errors, units)
      select subscription_id, billing_period_id, count(*), count(*) filter (where status >= 400), sum(units)
      from usage_records group by 1, 2;
    insert into api_usage_analytics
      select subscription_id, date_trunc('hour', at, 'UTC'), key_id, api_id, count(*),
        count(*) filter (where status >= 400), sum(units), sum(duration_ms), sum(request_bytes),
        sum(response_bytes)
      from usage_records group by 1, 2, 3, 4;
    insert into api_operation_analytics
      select api_id, hour, 'GET /things/{id}/' || n, calls / ${OPERATIONS}, 0, 0, duration_ms / ${OPERATIONS},
        0, response_bytes / ${OPERATIONS}, array_fill((calls / ${OPERATIONS * BUCKETS})::int, array[${BUCKETS}])
      from (select api_id, hour, sum(calls)::bigint as calls, sum(duration_ms)::bigint as duration_ms,
          sum(response_bytes)::bigint as response_bytes
        from api_usage_analytics group by 1, 2) as each
      cross join generate_series(1, ${OPERATIONS}) as n;
    analyze`)
}
