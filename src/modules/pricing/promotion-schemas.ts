import { PROMOTION_TYPES } from '#db/schema/promotions'
import { oneOf, pageOf, strict, t } from '#infra/http'
import { REFUSALS } from './promotion-conditions'
import { CostView } from './schemas'

const nullable = <T extends Parameters<typeof t.Union>[0][number]>(schema: T) =>
  t.Union([schema, t.Null()])
const Code = t.String({ pattern: '^[A-Z0-9][A-Z0-9_-]{1,39}$', examples: ['SPRING-20'] })
const Slug = (description: string) => t.String({ pattern: '^[a-z0-9-]{1,63}$', description })
const Day = t.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,3})?Z)?$',
  description: 'a day such as 2030-01-31, or an instant in UTC',
})
const Uses = t.Integer({ minimum: 1, maximum: 2_000_000_000 })
const VALUE = 'percent, minor units, units or days, by type; none for a tier upgrade'

export const PromotionBody = strict(
  {
    code: Code,
    type: oneOf(PROMOTION_TYPES),
    value: t.Optional(t.String({ pattern: '^\\d{1,12}(\\.\\d{1,4})?$', description: VALUE })),
    description: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
    currency: t.Optional(t.String({ pattern: '^[A-Z]{3}$', description: 'an ISO 4217 code' })),
    cycles: t.Optional(
      t.Integer({
        ...{ minimum: 1, maximum: 1_000 },
        description: 'How many billing cycles a discount lasts; without it for good.',
      }),
    ),
    api: t.Optional(Slug('Slug of the only API that it is for.')),
    plan: t.Optional(Slug('Slug of the only plan that it is for.')),
    upgradeTo: t.Optional(Slug('Tier upgrade: slug of the plan that is given.')),
    firstPurchase: t.Optional(t.Boolean()),
    minimumFee: t.Optional(
      t.Integer({
        ...{ minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
        description: 'Least flat fee of the plan, in minor units of `currency`.',
      }),
    ),
    maxUses: t.Optional(Uses),
    maxUsesPerUser: t.Optional(Uses),
    stackable: t.Optional(t.Boolean({ description: 'Whether others may stand beside it.' })),
    priority: t.Optional(
      t.Integer({ minimum: -1_000, maximum: 1_000, description: 'The highest applies first.' }),
    ),
    startsAt: t.Optional(Day),
    endsAt: t.Optional(Day),
  },
  {
    $id: 'PromotionInput',
    examples: [{ code: 'SPRING-20', type: 'percentage', value: '20', cycles: 3, maxUses: 500 }],
  },
)

const discount = {
  code: t.String(),
  type: oneOf(PROMOTION_TYPES),
  value: nullable(t.String({ description: VALUE })),
  currency: nullable(t.String()),
  cycles: nullable(t.Integer()),
  description: nullable(t.String()),
}
const DiscountView = t.Object(discount, { $id: 'Discount' })

export const PromotionView = t.Object(
  {
    id: t.String(),
    source: oneOf(['file', 'admin'] as const, { description: 'Where it is written.' }),
    ...discount,
    apiId: nullable(t.String()),
    plan: nullable(t.String()),
    upgradeTo: nullable(t.String()),
    firstPurchase: t.Boolean(),
    minimumFee: nullable(t.Integer()),
    maxUses: nullable(t.Integer()),
    maxUsesPerUser: nullable(t.Integer()),
    uses: t.Integer(),
    stackable: t.Boolean(),
    priority: t.Integer(),
    startsAt: t.String({ format: 'date-time' }),
    endsAt: nullable(t.String({ format: 'date-time' })),
    createdAt: t.String({ format: 'date-time' }),
  },
  { $id: 'Promotion' },
)
export const PromotionPage = pageOf(PromotionView)

export const ValidateBody = strict(
  {
    code: Code,
    planId: t.String({ description: 'Id of a plan of a published API.' }),
    units: t.Optional(t.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  },
  {
    $id: 'PromotionValidateInput',
    examples: [{ code: 'SPRING-20', planId: 'plan_0192f7a0c1d47c3e8f00a1b2c3d4e5f6' }],
  },
)
export const ValidityView = t.Object(
  {
    code: t.String(),
    valid: t.Boolean(),
    reason: nullable(oneOf(Object.keys(REFUSALS) as (keyof typeof REFUSALS)[])),
    promotion: nullable(DiscountView),
    cost: t.Union([CostView, t.Null()], {
      description: 'What a whole cycle with `units` billable units would cost, before tax.',
    }),
  },
  { $id: 'PromotionValidity' },
)

export const ApplyBody = strict(
  { code: Code, subscriptionId: t.String() },
  {
    $id: 'PromotionApplyInput',
    examples: [{ code: 'SPRING-20', subscriptionId: 'sub_0192f7a0c1d47c3e8f00a1b2c3d4e5f6' }],
  },
)
export const AppliedView = t.Object(
  {
    subscriptionId: t.String(),
    redeemedAt: t.String({ format: 'date-time' }),
    promotion: DiscountView,
  },
  { $id: 'AppliedPromotion' },
)
