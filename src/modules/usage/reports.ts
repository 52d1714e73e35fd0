import type { Database, Db } from '#db/client'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import type { PageRequest } from '#lib/page'
import type { CatalogService } from '#modules/catalog'
import type { KeyService } from '#modules/keys'
import type { QuotaService } from '#modules/quota'
import type { SubscriptionService } from '#modules/subscriptions'
import { UsageRangeInvalid } from './errors'
import { EXPORT_TYPES, type ExportScope, exportCalls } from './export'
import { percentile } from './histogram'
import { type Bucket, selectBuckets, selectCurrentUsage } from './read-repository'
import type { OperationUsage, Range } from './reports-repository'
import * as reports from './reports-repository'
import type { ExportInput } from './reports-schemas'
import type { UsageStatsInput } from './schemas'

const DAY_MS = 86_400_000
const REPORT_DAYS = { usual: 30, longest: 366 }
/** By hours a chart of a quarter, by days one of two years. */
const STATS_DAYS = { hour: { usual: 1, longest: 92 }, day: { usual: 30, longest: 731 } }

interface Owners {
  subscriptions: SubscriptionService
  keys: KeyService
  catalog: CatalogService
  quota: QuotaService
}

/** What the ledger and its rollups say to those whose calls or whose APIs they are. */
export class UsageReports {
  private readonly db: Db

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly owners: Owners,
  ) {
    this.db = database.db
  }

  /** The actor's subscriptions with what they used in their current period. */
  async summary({ userId }: Actor) {
    const rows = await selectCurrentUsage(this.db, userId, this.clock.now())
    return {
      items: rows.map(({ period: { id, startsAt, endsAt }, ...row }) => ({
        ...row,
        period: { id, start: startsAt.toISOString(), end: endsAt.toISOString() },
      })),
    }
  }

  /** Usage of one subscription of the actor by hours or days. */
  async stats(actor: Actor, { subscriptionId, interval, ...query }: UsageStatsInput) {
    const { id } = await this.owners.subscriptions.own(actor, subscriptionId)
    const range = this.range(query, STATS_DAYS[interval])
    const buckets = await selectBuckets(this.db, id, { ...range, interval })
    return { subscriptionId: id, interval, ...rangeView(range), buckets: buckets.map(bucketView) }
  }

  /** The last days against as many before them, over all subscriptions of the actor. */
  async trends({ userId }: Actor, days: number) {
    const to = this.clock.now()
    const from = new Date(to.getTime() - days * DAY_MS)
    const before = { from: new Date(from.getTime() - days * DAY_MS), to: from }
    const span = async (range: Range) => ({
      ...rangeView(range),
      ...(await reports.sumUsage(this.db, userId, range)),
    })
    const [current, previous] = await Promise.all([span({ from, to }), span(before)])
    const change = (name: 'calls' | 'errors' | 'units') =>
      previous[name] === 0 ? null : current[name] / previous[name] - 1
    return {
      ...{ days, current, previous },
      change: { calls: change('calls'), errors: change('errors'), units: change('units') },
    }
  }

  async topApis({ userId }: Actor, query: RangeInput & { limit: number }) {
    const range = this.range(query)
    const items = await reports.topApis(this.db, userId, range, query.limit)
    return { ...rangeView(range), items }
  }

  /** The rate limits of the actor's plans beside the busiest hour. */
  async rateLimits(actor: Actor, page: PageRequest) {
    const { items, nextCursor } = await this.owners.quota.list(actor, page)
    const ids = items.map(({ subscriptionId }) => subscriptionId)
    const busiest = await reports.busiestHours(this.db, ids, this.range({}))
    return {
      items: items.map(({ subscriptionId, rateLimits }) => {
        const hour = busiest.get(subscriptionId)
        const busiestHour = hour ? { ...hour, start: hour.start.toISOString() } : null
        return { subscriptionId, rateLimits, busiestHour }
      }),
      nextCursor,
    }
  }

  async ofKey(actor: Actor, keyId: string, query: RangeInput) {
    const key = await this.owners.keys.own(actor, keyId)
    const range = this.range(query)
    const sums = await reports.usageOfKey(this.db, key, range)
    const { durationMs = 0, calls = 0, ...rest } = sums ?? {}
    return {
      ...{ keyId: key.id, subscriptionId: key.subscriptionId, ...rangeView(range) },
      ...{ errors: 0, units: 0, requestBytes: 0, responseBytes: 0, ...rest, calls },
      averageDurationMs: average(durationMs, calls),
    }
  }

  /** Calls, errors and durations of each operation of an API of the actor. */
  async operations(actor: Actor, apiId: string, query: RangeInput) {
    const api = await this.owners.catalog.own(actor, apiId)
    const range = this.range(query)
    const items = await reports.operationsOf(this.db, api.id, range)
    return { apiId: api.id, ...rangeView(range), items: items.map(operationView) }
  }

  async exportSubscription(actor: Actor, id: string, query: ExportInput): Promise<Response> {
    const { id: subscriptionId } = await this.owners.subscriptions.own(actor, id)
    return this.export({ subscriptionId }, query)
  }

  async exportApi(actor: Actor, id: string, query: ExportInput): Promise<Response> {
    const { id: apiId } = await this.owners.catalog.own(actor, id)
    return this.export({ apiId }, query)
  }

  /** The calls themselves, as a file of any length. */
  private export(scope: ExportScope, query: ExportInput): Response {
    const range = this.range(query)
    const name = `usage-${range.from.toISOString().slice(0, 10)}.${query.format}`
    return new Response(exportCalls(this.database.sql, scope, range, query.format), {
      headers: {
        'content-type': EXPORT_TYPES[query.format],
        'content-disposition': `attachment; filename="${name}"`,
        'cache-control': 'no-store',
      },
    })
  }

  private range({ from, to }: RangeInput, { usual, longest } = REPORT_DAYS): Range {
    const end = to === undefined ? this.clock.now() : new Date(to)
    const start = from === undefined ? new Date(end.getTime() - usual * DAY_MS) : new Date(from)
    const days = (end.getTime() - start.getTime()) / DAY_MS
    if (!(days > 0 && days <= longest)) throw new UsageRangeInvalid(longest)
    return { from: start, to: end }
  }
}

type RangeInput = { from?: string; to?: string }

const rangeView = ({ from, to }: Range) => ({ from: from.toISOString(), to: to.toISOString() })

const average = (durationMs: number, calls: number) =>
  calls === 0 ? 0 : Math.round(durationMs / calls)

function bucketView({ start, durationMs, ...bucket }: Bucket) {
  return {
    ...{ start: start.toISOString(), ...bucket },
    averageDurationMs: average(durationMs, bucket.calls),
  }
}

function operationView({ durationMs, latency, ...operation }: OperationUsage) {
  const at = (share: number) => {
    const milliseconds = percentile(latency, share)
    return milliseconds === null ? null : Math.round(milliseconds)
  }
  const { calls, clientErrors, serverErrors } = operation
  return {
    ...operation,
    errorRate: calls === 0 ? 0 : (clientErrors + serverErrors) / calls,
    latencyMs: { p50: at(0.5), p95: at(0.95), p99: at(0.99) },
    averageDurationMs: average(durationMs, calls),
  }
}
