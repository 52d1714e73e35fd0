import { RouteGroup } from '#infra/http'
import { UsageBatchBody, UsageReceipt, UsageStats, UsageStatsQuery, UsageSummary } from './schemas'
import type { UsageService } from './service'

export const usageRoutes = (usage: UsageService) =>
  new RouteGroup('/usage', 'Usage')
    .post(
      '/events',
      {
        permission: 'gateway',
        summary: 'Report calls (gateways only)',
        description:
          'Up to 1,000 calls. They are stored before this answers and counted within a second. The ' +
          'same call reported twice is counted once. Calls older than 35 days or more than 5 minutes ' +
          'ahead are rejected one by one and kept as dead letters. The body may be gzipped.',
        body: UsageBatchBody,
        response: UsageReceipt,
        status: 202,
        problems: [429],
      },
      ({ body }) => usage.receive(body.events),
    )
    .get(
      '/summary',
      {
        permission: 'usage:read',
        summary: 'What your subscriptions used in their current billing period',
        response: UsageSummary,
      },
      ({ actor }) => usage.summary(actor),
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
      ({ actor, query }) => usage.stats(actor, query),
    )
