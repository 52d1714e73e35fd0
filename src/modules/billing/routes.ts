import { RouteGroup, strict, t } from '#infra/http'
import { CostView } from '#modules/pricing'
import { QuotaView } from '#modules/quota'
import { SubscriptionParams } from '#modules/subscriptions'
import type { RunningCostService } from './running-cost'
import type { SpendCapService } from './spend-cap'

const ReachedAt = (limit: string) =>
  t.Union([t.String({ format: 'date-time' }), t.Null()], {
    description: `When the ${limit} will be reached at this rate; null: not before the period ends, reached already, or too early to say.`,
  })

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
          quotaExhaustedAt: ReachedAt('quota'),
          spendCapReachedAt: ReachedAt('spend cap'),
        }),
        t.Null(),
      ],
      { description: 'If usage goes on as since the period began; made hourly, null before that.' },
    ),
  },
  { $id: 'SubscriptionUsage' },
)

const Amount = t.Union([t.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), t.Null()], {
  description: 'Minor units of the currency of the plan; null: no cap.',
})

const SpendCapBody = strict(
  { amount: Amount },
  { $id: 'SpendCapInput', examples: [{ amount: 10_000 }] },
)

const SpendCapView = t.Object(
  {
    subscriptionId: t.String(),
    amount: Amount,
    currency: t.String(),
    spend: t.Integer({ description: 'What the running period costs so far, in minor units.' }),
    unitsLeft: t.Union([t.Integer(), t.Null()], {
      description: 'Billable units until the cap refuses; null: no cap.',
    }),
  },
  { $id: 'SpendCap' },
)

export const billingRoutes = (costs: RunningCostService, caps: SpendCapService) =>
  new RouteGroup('/subscriptions', 'Subscriptions')
    .get(
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
    .get(
      '/:id/spend-cap',
      {
        permission: 'subscriptions:manage',
        summary: 'The most that a period may cost',
        params: SubscriptionParams,
        response: SpendCapView,
      },
      ({ actor, params }) => caps.get(actor, params.id),
    )
    .put(
      '/:id/spend-cap',
      {
        permission: 'subscriptions:manage',
        summary: 'Set the most that a period may cost',
        description:
          'In force within a second. The call that would cost more is refused with 402 ' +
          '`spend_cap_reached`. A cap below the flat fee, which is due anyway, lets no call pass.',
        params: SubscriptionParams,
        body: SpendCapBody,
        response: SpendCapView,
      },
      ({ actor, params, body }) => caps.set(actor, params.id, body.amount),
    )
