import { NAME_PATTERN, RouteGroup, strict, t } from '#infra/http'
import type { BillingProfileService } from './billing-profile'

const Line = t.String({ minLength: 1, maxLength: 200, pattern: NAME_PATTERN })
const BillingProfileBody = strict(
  {
    name: Line,
    address: t.Array(Line, { minItems: 1, maxItems: 6, description: 'Line by line.' }),
    country: t.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166.' }),
    region: t.Optional(t.String({ minLength: 1, maxLength: 10, pattern: NAME_PATTERN })),
    taxId: t.Optional(
      t.String({
        ...{ minLength: 2, maxLength: 50, pattern: NAME_PATTERN },
        description: 'Within the EU a VAT id, with its country in front.',
      }),
    ),
  },
  {
    $id: 'BillingProfileInput',
    examples: [{ name: 'Acme SARL', address: ['1 rue de la Paix', '75002 Paris'], country: 'FR' }],
  },
)

const OrNull = <T extends Parameters<typeof t.Union>[0][number]>(schema: T) =>
  t.Union([schema, t.Null()])
export const BillingProfileView = t.Object(
  {
    name: t.String(),
    address: t.Array(t.String()),
    country: t.String(),
    region: OrNull(t.String()),
    taxId: OrNull(t.String()),
    taxIdConfirmed: t.Union([t.Boolean(), t.Null()], {
      description: 'What VIES said; null where it was not asked or did not answer.',
    }),
    taxExempt: t.Boolean({ description: 'Set by the operator.' }),
    updatedAt: t.String({ format: 'date-time' }),
  },
  { $id: 'BillingProfile' },
)

export const billingProfileRoutes = (profiles: BillingProfileService) =>
  new RouteGroup('/payments', 'Payments')
    .get(
      '/billing-profile',
      {
        permission: 'billing:read',
        summary: 'Who you are on invoices',
        response: BillingProfileView,
        problems: [404],
      },
      ({ actor }) => profiles.get(actor),
    )
    .put(
      '/billing-profile',
      {
        permission: 'billing:manage',
        summary: 'Say who you are on invoices',
        description: 'From the next invoice on. Your country says which tax there is.',
        body: BillingProfileBody,
        response: BillingProfileView,
      },
      ({ actor, body }) => profiles.put(actor, body),
    )
