import type { Static } from '@sinclair/typebox'
import { PRORATION_MODES } from '#db/schema/pricing'
import { PLAN_CHANGE_KINDS, SUBSCRIPTION_STATUSES } from '#db/schema/subscriptions'
import { oneOf, pageOf, strict, t } from '#infra/http'

export const Instant = t.String({ format: 'date-time' })

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
    scheduled: t.Union(
      [
        t.Object({
          kind: oneOf([...PLAN_CHANGE_KINDS, 'cancellation'] as const),
          at: Instant,
          planId: t.Union([t.String(), t.Null()], { description: 'Null when it ends.' }),
        }),
        t.Null(),
      ],
      {
        description: 'What happens by itself; consumers can withdraw it unless it is a migration.',
      },
    ),
    trialEndsAt: t.Union([Instant, t.Null()], {
      description: 'Null: there is, and was, no trial.',
    }),
    endedAt: t.Union([Instant, t.Null()]),
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
const promotion = t.Optional(
  t.String({ minLength: 1, maxLength: 64, description: 'Code of a promotion.' }),
)
export const SubscribeBody = strict(
  { planId, promotion },
  { $id: 'SubscribeInput', examples: [{ planId: 'plan_0192f7a0c1d47c3e8f00a1b2c3d4e5f6' }] },
)
export const SubscriptionBody = strict(
  { api: t.String({ description: 'Slug of a published API.' }), planId, promotion },
  {
    $id: 'SubscriptionInput',
    examples: [{ api: 'weather', planId: 'plan_0192f7a0c1d47c3e8f00a1b2c3d4e5f6' }],
  },
)
export type SubscriptionInput = Static<typeof SubscriptionBody>

export const SubscriptionParams = t.Object({
  id: t.String({ description: 'Id of a subscription.' }),
})

export const ProrationModeSchema = oneOf(PRORATION_MODES)
const change = {
  planId: t.String({ description: 'Id of another plan of the same API, in the same currency.' }),
  at: t.Optional(
    oneOf(['now', 'period_end'] as const, {
      description: 'An upgrade is at once, a downgrade at the end of the period, unless stated.',
    }),
  ),
  prorationMode: t.Optional(
    oneOf(PRORATION_MODES, {
      description: 'That of the running plan, unless one is stated that costs no less.',
    }),
  ),
}
const PLAN_ID = 'plan_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'
export const PlanChangeBody = strict(change, {
  ...{ $id: 'PlanChangeInput', examples: [{ planId: PLAN_ID, at: 'now' }] },
})
export type PlanChangeInput = Static<typeof PlanChangeBody>
export const PlanChangeQuery = t.Object(change)

export const CancelBody = strict(
  {
    at: t.Optional(
      oneOf(['now', 'period_end'] as const, {
        description:
          'At the end of the period unless stated; at once with what the plan gives back.',
      }),
    ),
  },
  { $id: 'CancelInput', examples: [{ at: 'period_end' }] },
)
export type CancelInput = Static<typeof CancelBody>

export const HistoryPage = pageOf(
  t.Object(
    {
      id: t.String(),
      reason: t.String({ description: 'What happened, such as `upgrade` or `paused`.' }),
      plan: t.Object({ id: t.String(), slug: t.String(), version: t.Integer() }),
      effectiveAt: Instant,
      details: t.Record(t.String(), t.Unknown()),
      createdAt: Instant,
    },
    { $id: 'SubscriptionHistoryEntry' },
  ),
)
