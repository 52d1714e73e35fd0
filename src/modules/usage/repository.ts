import { and, eq, gt, inArray, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { apiKeys } from '#db/schema/keys'
import { pricingModels } from '#db/schema/pricing'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { LedgerFacts, PeriodFacts, UsageRecord } from './resolve-events'

export interface Usage {
  /** All calls that authorize let through, billable or not. */
  calls: number
  /** Those answered with a status of 400 or more. */
  errors: number
  /** Billable units. */
  units: number
}

/** Everything needed to book calls of these keys that ended at `since` or later. */
export async function loadLedgerFacts(
  db: Db,
  keyIds: Id<'key'>[],
  since: Date,
): Promise<LedgerFacts> {
  const keys = await db
    .select({
      id: apiKeys.id,
      subscriptionId: apiKeys.subscriptionId,
      apiId: apiKeys.apiId,
      subscriptionStatus: apiSubscriptions.status,
    })
    .from(apiKeys)
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, apiKeys.subscriptionId))
    .where(inArray(apiKeys.id, keyIds))
  const subscriptionIds = [...new Set(keys.map((key) => key.subscriptionId))]
  return {
    keys: new Map(keys.map(({ id, ...key }) => [id, key])),
    periods: await loadPeriods(db, subscriptionIds, since),
  }
}

async function loadPeriods(
  db: Db,
  subscriptionIds: Id<'sub'>[],
  since: Date,
): Promise<Map<Id<'sub'>, PeriodFacts[]>> {
  if (subscriptionIds.length === 0) return new Map()
  const rows = await db
    .select({
      id: billingPeriods.id,
      subscriptionId: billingPeriods.subscriptionId,
      startsAt: billingPeriods.startsAt,
      endsAt: billingPeriods.endsAt,
      billableStatuses: pricingModels.billableStatuses,
    })
    .from(billingPeriods)
    .innerJoin(pricingModels, eq(pricingModels.id, billingPeriods.pricingModelId))
    .where(
      and(
        inArray(billingPeriods.subscriptionId, subscriptionIds),
        gt(billingPeriods.endsAt, since),
      ),
    )
  const periods = new Map<Id<'sub'>, PeriodFacts[]>()
  for (const { subscriptionId, ...period } of rows) {
    const known = periods.get(subscriptionId)
    if (known) known.push(period)
    else periods.set(subscriptionId, [period])
  }
  return periods
}

/**
 * Books calls, sorted by the ledger's key: one statement inserts what is new, and adds to the counters
 * and the hourly rollup just what it inserted. All rows are locked in the order of their keys.
 *
 * @returns how many were new
 */
export async function insertUsage(db: Db, records: readonly UsageRecord[]): Promise<number> {
  if (records.length === 0) return 0
  const [row] = await db.execute<{ added: number }>(sql`
    with input as (
      select * from unnest(
        ${ids(records, 'subscriptionId')}, ${column(records, 'at')}::text[]::timestamptz[],
        ${column(records, 'id')}::uuid[], ${column(records, 'gatewayId')}::text[],
        ${column(records, 'sequence')}::bigint[], ${ids(records, 'apiId')},
        ${sql.param(records.map(({ keyId }) => keyId.slice('key_'.length)))}::text[],
        ${ids(records, 'billingPeriodId')}, ${column(records, 'method')}::text[],
        ${column(records, 'path')}::text[], ${column(records, 'status')}::smallint[],
        ${column(records, 'durationMs')}::int[], ${column(records, 'requestBytes')}::bigint[],
        ${column(records, 'responseBytes')}::bigint[],
        ${sql.param(records.map(({ billable }) => Number(billable)))}::int[],
        ${column(records, 'units')}::int[]
      ) as call (subscription_id, at, id, gateway_id, sequence, api_id, key_id, billing_period_id,
        method, path, status, duration_ms, request_bytes, response_bytes, billable, units)
    ), added as (
      insert into usage_records (subscription_id, at, id, gateway_id, sequence, api_id, key_id,
        billing_period_id, method, path, status, duration_ms, request_bytes, response_bytes,
        billable, units)
      select subscription_id, at, id, gateway_id, sequence, api_id, key_id, billing_period_id,
        method, path, status, duration_ms, request_bytes, response_bytes, billable = 1, units
      from input order by subscription_id, at, id
      on conflict do nothing
      returning *
    ), counted as (
      insert into usage_counters as counter
        (subscription_id, billing_period_id, calls, errors, units)
      select subscription_id, billing_period_id, count(*), count(*) filter (where status >= 400),
        sum(units)
      from added group by subscription_id, billing_period_id
      order by subscription_id, billing_period_id
      on conflict (subscription_id, billing_period_id) do update set
        calls = counter.calls + excluded.calls, errors = counter.errors + excluded.errors,
        units = counter.units + excluded.units, updated_at = now()
    ), rolled_up as (
      insert into api_usage_analytics as rollup (subscription_id, hour, key_id, api_id, calls,
        errors, units, duration_ms, request_bytes, response_bytes)
      select subscription_id, date_trunc('hour', at, 'UTC') as hour, key_id, min(api_id::text)::uuid,
        count(*), count(*) filter (where status >= 400), sum(units), sum(duration_ms),
        sum(request_bytes), sum(response_bytes)
      from added group by subscription_id, date_trunc('hour', at, 'UTC'), key_id
      order by subscription_id, hour, key_id
      on conflict (subscription_id, hour, key_id) do update set
        calls = rollup.calls + excluded.calls, errors = rollup.errors + excluded.errors,
        units = rollup.units + excluded.units,
        duration_ms = rollup.duration_ms + excluded.duration_ms,
        request_bytes = rollup.request_bytes + excluded.request_bytes,
        response_bytes = rollup.response_bytes + excluded.response_bytes
    )
    select count(*)::int as added from added`)
  return row?.added ?? 0
}

type PlainColumn = Exclude<keyof UsageRecord, 'billable' | `${string}Id`> | 'gatewayId'

const column = (records: readonly UsageRecord[], name: PlainColumn) =>
  sql.param(records.map((record) => record[name]))

const ids = (
  records: readonly UsageRecord[],
  name: 'subscriptionId' | 'apiId' | 'billingPeriodId',
) => sql`${sql.param(records.map((record) => record[name].slice(4)))}::uuid[]`
