import { pageOf, t } from '#infra/http'

export const QuotaView = t.Object(
  {
    subscriptionId: t.String(),
    period: t.Object({
      start: t.String({ format: 'date-time' }),
      end: t.String({ format: 'date-time' }),
    }),
    limit: t.Union([t.Integer(), t.Null()], { description: 'Null: no quota.' }),
    hard: t.Boolean({ description: 'Hard: calls beyond it are refused. Soft: they cost extra.' }),
    used: t.Integer({ description: 'Billable units counted in this period.' }),
    remaining: t.Union([t.Integer(), t.Null()]),
    rateLimits: t.Array(t.Object({ per: t.String(), limit: t.Integer(), window: t.String() })),
  },
  { $id: 'Quota' },
)
export const QuotaPage = pageOf(QuotaView)
export const KeyIdParams = t.Object({ keyId: t.String({ description: 'Id of a key.' }) })
