import { and, desc, eq, gte, inArray, lt, sql } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { Db } from '#db/client'
import { apis } from '#db/schema/catalog'
import { apiSubscriptions } from '#db/schema/subscriptions'
import { apiOperationAnalytics, apiUsageAnalytics } from '#db/schema/usage'
import type { Id } from '#lib/id'
import { BUCKETS, type Histogram } from './histogram'

/** Half-open, on the hours of the rollups. */
export interface Range {
  from: Date
  to: Date
}

const rollup = apiUsageAnalytics
const total = (column: PgColumn) => sql<number>`coalesce(sum(${column}), 0)`.mapWith(Number)

const USED = {
  calls: total(rollup.calls),
  errors: total(rollup.errors),
  units: total(rollup.units),
}
const VOLUME = {
  durationMs: total(rollup.durationMs),
  requestBytes: total(rollup.requestBytes),
  responseBytes: total(rollup.responseBytes),
}

const during = ({ from, to }: Range) => and(gte(rollup.hour, from), lt(rollup.hour, to))

const subscriptionsOf = (db: Db, userId: Id<'usr'>) =>
  db
    .select({ id: apiSubscriptions.id })
    .from(apiSubscriptions)
    .where(eq(apiSubscriptions.userId, userId))

export async function sumUsage(db: Db, userId: Id<'usr'>, range: Range) {
  const [sums] = await db
    .select(USED)
    .from(rollup)
    .where(and(inArray(rollup.subscriptionId, subscriptionsOf(db, userId)), during(range)))
  return sums ?? { calls: 0, errors: 0, units: 0 }
}

/** The APIs that the user called most. */
export function topApis(db: Db, userId: Id<'usr'>, range: Range, limit: number) {
  return db
    .select({ api: { id: apis.id, slug: apis.slug, name: apis.name }, ...USED })
    .from(rollup)
    .innerJoin(apis, eq(apis.id, rollup.apiId))
    .where(and(inArray(rollup.subscriptionId, subscriptionsOf(db, userId)), during(range)))
    .groupBy(apis.id)
    .orderBy(desc(USED.calls), apis.slug)
    .limit(limit)
}

export async function usageOfKey(
  db: Db,
  key: { id: Id<'key'>; subscriptionId: Id<'sub'> },
  range: Range,
) {
  const [sums] = await db
    .select({ ...USED, ...VOLUME })
    .from(rollup)
    .where(
      and(eq(rollup.subscriptionId, key.subscriptionId), eq(rollup.keyId, key.id), during(range)),
    )
  return sums
}

/** The hour with the most calls of each subscription. */
export async function busiestHours(
  db: Db,
  subscriptionIds: Id<'sub'>[],
  range: Range,
): Promise<Map<Id<'sub'>, { start: Date; calls: number }>> {
  if (subscriptionIds.length === 0) return new Map()
  const rows = await db
    .selectDistinctOn([rollup.subscriptionId], {
      subscriptionId: rollup.subscriptionId,
      start: rollup.hour,
      calls: USED.calls,
    })
    .from(rollup)
    .where(and(inArray(rollup.subscriptionId, subscriptionIds), during(range)))
    .groupBy(rollup.subscriptionId, rollup.hour)
    .orderBy(rollup.subscriptionId, desc(USED.calls), rollup.hour)
  return new Map(rows.map(({ subscriptionId, ...hour }) => [subscriptionId, hour]))
}

export interface OperationUsage {
  operation: string
  calls: number
  clientErrors: number
  serverErrors: number
  durationMs: number
  requestBytes: number
  responseBytes: number
  latency: Histogram
}

/**
 * The sum of each bucket over the rows, without those at the end that are empty everywhere. A column for
 * each costs a third of taking the arrays apart into rows.
 */
const MERGED = sql<Histogram>`array_to_json(array_remove(array[${sql.join(
  Array.from({ length: BUCKETS }, (_, n) => sql.raw(`sum(latency[${n + 1}])`)),
  sql`, `,
)}], null))`

/** Each operation of an API, the most called first, with its durations merged over all hours. */
export function operationsOf(
  db: Db,
  apiId: Id<'api'>,
  { from, to }: Range,
): Promise<OperationUsage[]> {
  const table = apiOperationAnalytics
  return db
    .select({
      operation: table.operation,
      calls: total(table.calls),
      clientErrors: total(table.clientErrors),
      serverErrors: total(table.serverErrors),
      durationMs: total(table.durationMs),
      requestBytes: total(table.requestBytes),
      responseBytes: total(table.responseBytes),
      latency: MERGED,
    })
    .from(table)
    .where(and(eq(table.apiId, apiId), gte(table.hour, from), lt(table.hour, to)))
    .groupBy(table.operation)
    .orderBy(desc(total(table.calls)), table.operation)
}
