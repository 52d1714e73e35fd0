import type { Static } from '@sinclair/typebox'
import { PLAN_TYPES } from '#db/schema/pricing'
import { NAME_PATTERN, oneOf, strict, t } from '#infra/http'
import { planTerms, TermsOfPlan } from './terms-schemas'

export const PlanBody = strict(
  {
    template: t.Optional(
      t.String({
        description: 'Name of a template of the operator; what is given here overrides it.',
      }),
    ),
    slug: t.Optional(
      t.String({
        pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
        description:
          "lower-case letters, digits and inner hyphens; the template's name if left out",
      }),
    ),
    name: t.Optional(
      t.String({
        pattern: NAME_PATTERN,
        maxLength: 100,
        description: 'a name without control characters',
      }),
    ),
    type: t.Optional(oneOf(PLAN_TYPES)),
    ...planTerms,
  },
  {
    $id: 'PlanInput',
    examples: [{ template: 'pro', flatFee: 4900, quota: { limit: 50_000, hard: true } }],
  },
)
export type PlanInput = Static<typeof PlanBody>

export const PlanView = t.Object(
  {
    id: t.String(),
    apiId: t.String(),
    slug: t.String(),
    version: t.Integer(),
    name: t.String(),
    type: oneOf(PLAN_TYPES),
    status: oneOf(['active', 'archived'] as const),
    ...TermsOfPlan,
    createdAt: t.String({ format: 'date-time' }),
  },
  { $id: 'Plan' },
)

export const TemplateView = t.Object(
  { slug: t.String(), name: t.String(), type: oneOf(PLAN_TYPES), ...TermsOfPlan },
  { $id: 'PlanTemplate' },
)

export const CostView = t.Object(
  {
    currency: t.String(),
    total: t.Integer({ description: 'Minor units, before tax.' }),
    lines: t.Array(
      t.Object({
        code: t.String(),
        description: t.String(),
        quantity: t.Integer(),
        amount: t.Integer({ description: 'Minor units.' }),
        explain: t.String({ description: 'How the amount was made.' }),
      }),
    ),
  },
  { $id: 'Cost' },
)

export const ModelQuery = t.Object({ api: t.String({ description: 'Slug of a published API.' }) })
export const PlanParams = t.Object({ id: t.String({ description: 'Id of a plan.' }) })
export const CalculateBody = strict(
  {
    planId: t.String(),
    units: t.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  },
  {
    $id: 'CalculateInput',
    examples: [{ planId: 'plan_0192f7a0c1d47c3e8f00a1b2c3d4e5f6', units: 120_000 }],
  },
)

export const SimulateBody = strict(
  {
    subscriptionId: t.String({ description: 'One of your subscriptions.' }),
    planId: t.String({ description: 'A plan of any published API.' }),
    periods: t.Optional(
      t.Integer({
        minimum: 1,
        maximum: 24,
        description: 'How many of the last ones; 1 if left out.',
      }),
    ),
  },
  {
    $id: 'SimulateInput',
    examples: [
      {
        subscriptionId: 'sub_0192f7a0c1d47c3e8f00a1b2c3d4e5f6',
        planId: 'plan_0192f7a0c1d47c3e8f00a1b2c3d4e5f6',
        periods: 3,
      },
    ],
  },
)

export const SimulationView = t.Object(
  {
    subscriptionId: t.String(),
    planId: t.String(),
    periods: t.Array(
      t.Object({
        period: t.Object({
          start: t.String({ format: 'date-time' }),
          end: t.String({ format: 'date-time' }),
        }),
        units: t.Integer({ description: 'Billable units that were counted.' }),
        actual: CostView,
        simulated: CostView,
        difference: t.Union([t.Integer(), t.Null()], {
          description: 'Minor units that the plan would have cost more; null between currencies.',
        }),
      }),
      { description: 'Periods that are over, the newest first.' },
    ),
  },
  { $id: 'Simulation' },
)
