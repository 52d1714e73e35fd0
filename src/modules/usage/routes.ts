import { RouteGroup } from '#infra/http'
import { UsageBatchBody, UsageReceipt } from './schemas'
import type { UsageService } from './service'

export const usageRoutes = (usage: UsageService) =>
  new RouteGroup('/usage', 'Usage').post(
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
