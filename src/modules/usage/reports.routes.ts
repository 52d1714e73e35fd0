import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import { EXPORT_FORMATS, EXPORT_TYPES } from './export'
import type { UsageReports } from './reports'
import {
  ApiExportQuery,
  ApiParams,
  ExportQuery,
  Hours,
  KeyParams,
  KeyUsage,
  Operations,
  RateLimits,
  TopApis,
  TopApisQuery,
  Trends,
  TrendsQuery,
} from './reports-schemas'
import { UsageStats, UsageStatsQuery, UsageSummary } from './schemas'

const EXPORT = {
  description: 'CSV (RFC 4180) or NDJSON, streamed, in order of time for each subscription.',
  mediaTypes: EXPORT_FORMATS.map((format) => EXPORT_TYPES[format]),
}

export const usageReportRoutes = (reports: UsageReports) =>
  new RouteGroup('/usage', 'Usage')
    .get(
      '/summary',
      {
        permission: 'usage:read',
        summary: 'What your subscriptions used in their current billing period',
        response: UsageSummary,
      },
      ({ actor }) => reports.summary(actor),
    )
    .get(
      '/stats',
      {
        permission: 'usage:read',
        summary: 'Usage of a subscription by hours or days',
        query: UsageStatsQuery,
        response: UsageStats,
        problems: [404],
      },
      ({ actor, query }) => reports.stats(actor, query),
    )
    .get(
      '/trends',
      {
        permission: 'usage:read',
        summary: 'Your usage of the last days against as many before them',
        query: TrendsQuery,
        response: Trends,
      },
      ({ actor, query }) => reports.trends(actor, query.days),
    )
    .get(
      '/top-apis',
      {
        permission: 'usage:read',
        summary: 'The APIs that you call most',
        query: TopApisQuery,
        response: TopApis,
      },
      ({ actor, query }) => reports.topApis(actor, query),
    )
    .get(
      '/rate-limits',
      {
        permission: 'usage:read',
        summary: 'The rate limits of your subscriptions beside their busiest hour',
        query: t.Object(PageQuery),
        response: RateLimits,
      },
      ({ actor, query }) => reports.rateLimits(actor, pageRequest(query, 'sub')),
    )
    .get(
      '/export',
      {
        ...EXPORT,
        permission: 'usage:read',
        summary: 'The calls of a subscription, one by one, as a file',
        query: ExportQuery,
        problems: [404],
      },
      ({ actor, query }) => reports.exportSubscription(actor, query.subscriptionId, query),
    )

export const apiUsageRoutes = (reports: UsageReports) =>
  new RouteGroup('/provider/apis', 'Provider')
    .get(
      '/:id/operations',
      {
        permission: 'catalog:read',
        summary: 'Calls, errors and latency of each operation of an API of yours',
        params: ApiParams,
        query: Hours,
        response: Operations,
      },
      ({ actor, params, query }) => reports.operations(actor, params.id, query),
    )
    .get(
      '/:id/usage/export',
      {
        ...EXPORT,
        permission: 'catalog:read',
        summary: 'The calls of all subscriptions to an API of yours, one by one, as a file',
        params: ApiParams,
        query: ApiExportQuery,
      },
      ({ actor, params, query }) => reports.exportApi(actor, params.id, query),
    )

export const keyUsageRoutes = (reports: UsageReports) =>
  new RouteGroup('/api-keys', 'API keys').get(
    '/:id/usage',
    {
      permission: 'usage:read',
      summary: 'What was called with a key of yours',
      params: KeyParams,
      query: Hours,
      response: KeyUsage,
    },
    ({ actor, params, query }) => reports.ofKey(actor, params.id, query),
  )
