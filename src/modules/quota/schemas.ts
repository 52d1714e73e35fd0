import { pageOf, strict, t } from '#infra/http'

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

export const UsageByApi = t.Object(
  {
    keyId: t.String(),
    items: t.Array(
      t.Object({
        api: t.Object({ id: t.String(), slug: t.String(), name: t.String() }),
        calls: t.Integer({ description: 'All calls that were let through in this period.' }),
        errors: t.Integer(),
        units: t.Integer({ description: 'Billable units.' }),
      }),
    ),
  },
  { $id: 'UsageByApi' },
)

export const ExhaustionEstimate = t.Object(
  {
    keyId: t.String(),
    limit: t.Union([t.Integer(), t.Null()]),
    used: t.Integer(),
    unitsPerDay: t.Number({ description: 'The average of the running period so far.' }),
    projectedUnits: t.Integer({
      description: 'At the end of the period, if it goes on like this.',
    }),
    exhaustedAt: t.Union([t.String({ format: 'date-time' }), t.Null()], {
      description: 'Null: not within this period.',
    }),
  },
  { $id: 'ExhaustionEstimate' },
)

export const QuotaCheckBody = strict(
  { units: t.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1 }) },
  { $id: 'QuotaCheck', examples: [{ units: 500 }] },
)
export const QuotaCheckOutcome = t.Object(
  {
    allowed: t.Boolean({ description: 'Whether so many units would pass now.' }),
    remaining: t.Union([t.Integer(), t.Null()], { description: 'Null: no quota.' }),
    overage: t.Integer({ description: 'Units of them that would be charged as overage.' }),
  },
  { $id: 'QuotaCheckOutcome' },
)

export const QuotaAlertPage = pageOf(
  t.Object({
    subscriptionId: t.String(),
    threshold: t.Union([t.Integer(), t.Null()], {
      description: 'The highest of 50, 80, 90 and 100 % that was reached; null below the first.',
    }),
    limit: t.Integer(),
    used: t.Integer(),
    hard: t.Boolean(),
    exhaustedAt: t.Union([t.String({ format: 'date-time' }), t.Null()], {
      description: 'When it will be used up at this rate; null: not before the period ends.',
    }),
    periodEnd: t.String({ format: 'date-time' }),
  }),
)
