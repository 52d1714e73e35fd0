import { RouteGroup, t } from '#infra/http'
import { CostView } from '#modules/pricing'
import { QuotaView } from '#modules/quota'
import { SubscriptionParams } from '#modules/subscriptions'
import type { RunningCostService } from './running-cost'

const RunningCostView = t.Object(
  {
    subscriptionId: t.String(),
    calls: t.Integer({ description: 'All calls that were let through, billable or not.' }),
    errors: t.Integer({ description: 'Calls answered with a status of 400 or more.' }),
    units: t.Integer({ description: 'Billable units.' }),
    quota: QuotaView,
    cost: CostView,
    projection: t.Union(
      [
        t.Object({
          asOf: t.String({ format: 'date-time' }),
          units: t.Integer({ description: 'Billable units at the end of the period.' }),
          cost: CostView,
        }),
        t.Null(),
      ],
      { description: 'If usage goes on as since the period began; made hourly, null before that.' },
    ),
  },
  { $id: 'SubscriptionUsage' },
)

export const runningCostRoutes = (costs: RunningCostService) =>
  new RouteGroup('/subscriptions', 'Subscriptions').get(
    '/:id/usage',
    {
      permission: 'usage:read',
      summary: 'Usage, quota and cost of the running period',
      description: 'The cost is what an invoice would say now, before tax.',
      params: SubscriptionParams,
      response: RunningCostView,
    },
    ({ actor, params }) => costs.ofSubscription(actor, params.id),
  )
