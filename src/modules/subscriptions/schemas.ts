import type { Static } from '@sinclair/typebox'
import { SUBSCRIPTION_STATUSES } from '#db/schema/subscriptions'
import { oneOf, pageOf, strict, t } from '#infra/http'

const Instant = t.String({ format: 'date-time' })

export const SubscriptionView = t.Object(
  {
    id: t.String(),
    api: t.Object({ id: t.String(), slug: t.String(), name: t.String() }),
    plan: t.Object({
      id: t.String(),
      slug: t.String(),
      name: t.String(),
      version: t.Integer(),
    }),
    status: oneOf(SUBSCRIPTION_STATUSES),
    currentPeriod: t.Object(
      { start: Instant, end: Instant },
      { description: 'Half-open: `end` belongs to the next period.' },
    ),
    createdAt: Instant,
  },
  { $id: 'Subscription' },
)
export const SubscriptionPage = pageOf(SubscriptionView)

export const NewSubscriptionView = t.Object(
  {
    subscription: SubscriptionView,
    apiKey: t.Object({
      id: t.String(),
      key: t.String({ description: 'The key itself. It is shown now and never again.' }),
    }),
  },
  { $id: 'NewSubscription' },
)

const planId = t.String({ description: 'Id of a plan of the API.' })
export const SubscribeBody = strict(
  { planId },
  { $id: 'SubscribeInput', examples: [{ planId: 'plan_0192f7a0c1d47c3e8f00a1b2c3d4e5f6' }] },
)
export const SubscriptionBody = strict(
  { api: t.String({ description: 'Slug of a published API.' }), planId },
  {
    $id: 'SubscriptionInput',
    examples: [{ api: 'weather', planId: 'plan_0192f7a0c1d47c3e8f00a1b2c3d4e5f6' }],
  },
)
export type SubscriptionInput = Static<typeof SubscriptionBody>

export const SubscriptionParams = t.Object({
  id: t.String({ description: 'Id of a subscription.' }),
})
