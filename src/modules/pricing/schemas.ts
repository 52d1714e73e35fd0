import type { Static } from '@sinclair/typebox'
import { PLAN_TYPES } from '#db/schema/pricing'
import { NAME_PATTERN, oneOf, strict, t } from '#infra/http'
import { BILLING_CYCLES } from '#lib/period'

const RateLimitSchema = strict({
  per: oneOf(['key', 'subscription'] as const),
  limit: t.Integer({ minimum: 1, maximum: 1_000_000 }),
  window: oneOf(['second', 'minute', 'hour', 'day'] as const),
})

const QuotaSchema = strict({
  limit: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  hard: t.Boolean({ description: 'Hard: calls beyond it are refused. Soft: they cost extra.' }),
  overageRate: t.Optional(
    t.String({
      pattern: '^\\d{1,12}(\\.\\d{1,12})?$',
      description:
        'a decimal: minor units per unit beyond a soft quota, may be a fraction of a cent',
      examples: ['0.05'],
    }),
  ),
})

const StatusRangeSchema = strict({
  from: t.Integer({ minimum: 100, maximum: 599 }),
  to: t.Integer({ minimum: 100, maximum: 599 }),
})

const terms = {
  currency: t.Optional(t.String({ pattern: '^[A-Z]{3}$', description: 'an ISO 4217 code' })),
  billingCycle: t.Optional(oneOf(BILLING_CYCLES)),
  flatFee: t.Optional(
    t.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'Minor units per period, in advance.',
    }),
  ),
  rateLimits: t.Optional(t.Array(RateLimitSchema, { maxItems: 8 })),
  quota: t.Optional(t.Union([QuotaSchema, t.Null()])),
  billableStatuses: t.Optional(t.Array(StatusRangeSchema, { minItems: 1, maxItems: 20 })),
}

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
    type: t.Optional(oneOf(['free', 'flat'] as const)),
    ...terms,
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
    currency: t.String(),
    billingCycle: oneOf(BILLING_CYCLES),
    flatFee: t.Integer({ description: 'Minor units per period, in advance.' }),
    rateLimits: t.Array(RateLimitSchema),
    quota: t.Union([QuotaSchema, t.Null()]),
    billableStatuses: t.Array(StatusRangeSchema),
    createdAt: t.String({ format: 'date-time' }),
  },
  { $id: 'Plan' },
)

export const TemplateView = t.Object(
  {
    slug: t.String(),
    name: t.String(),
    type: oneOf(['free', 'flat'] as const),
    currency: t.String(),
    billingCycle: oneOf(BILLING_CYCLES),
    flatFee: t.Integer(),
    rateLimits: t.Array(RateLimitSchema),
    quota: t.Union([QuotaSchema, t.Null()]),
    billableStatuses: t.Array(StatusRangeSchema),
  },
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
