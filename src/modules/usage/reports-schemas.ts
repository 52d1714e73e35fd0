import type { Static } from '@sinclair/typebox'
import { oneOf, t } from '#infra/http'
import { EXPORT_FORMATS } from './export'

const Instant = (description: string) => t.String({ format: 'date-time', description })

const RangeQuery = {
  from: t.Optional(Instant('First hour; 30 days before `to` if left out.')),
  to: t.Optional(Instant('End, not included; now if left out.')),
}

const used = {
  calls: t.Integer({ description: 'All calls that were let through, billable or not.' }),
  errors: t.Integer({ description: 'Those answered with a status of 400 or more.' }),
  units: t.Integer({ description: 'Billable units.' }),
}
const range = { from: t.String(), to: t.String() }
const volume = {
  averageDurationMs: t.Integer(),
  requestBytes: t.Integer(),
  responseBytes: t.Integer(),
}
const Api = t.Object({ id: t.String(), slug: t.String(), name: t.String() })

export const TrendsQuery = t.Object({
  days: t.Integer({ minimum: 1, maximum: 366, default: 30, description: 'Length of a span.' }),
})

const Change = t.Union([t.Number(), t.Null()], {
  description: '0.25 is a quarter more than in the span before; null when that had none.',
})
export const Trends = t.Object(
  {
    days: t.Integer(),
    current: t.Object({ ...range, ...used }),
    previous: t.Object({ ...range, ...used }),
    change: t.Object({ calls: Change, errors: Change, units: Change }),
  },
  { $id: 'UsageTrends' },
)

export const TopApisQuery = t.Object({
  ...RangeQuery,
  limit: t.Integer({ minimum: 1, maximum: 100, default: 10 }),
})
export const TopApis = t.Object(
  { ...range, items: t.Array(t.Object({ api: Api, ...used })) },
  { $id: 'TopApis' },
)

export const RateLimits = t.Object(
  {
    items: t.Array(
      t.Object({
        subscriptionId: t.String(),
        rateLimits: t.Array(t.Object({ per: t.String(), limit: t.Integer(), window: t.String() })),
        busiestHour: t.Union([t.Object({ start: t.String(), calls: t.Integer() }), t.Null()], {
          description: 'Of the last 30 days.',
        }),
      }),
    ),
    nextCursor: t.Union([t.String(), t.Null()]),
  },
  { $id: 'RateLimitUsage' },
)

export const Hours = t.Object(RangeQuery)
export const ApiParams = t.Object({ id: t.String({ description: 'Id of an API of yours.' }) })
export const KeyParams = t.Object({ id: t.String({ description: 'Id of a key of yours.' }) })
export const KeyUsage = t.Object(
  { keyId: t.String(), subscriptionId: t.String(), ...range, ...used, ...volume },
  { $id: 'KeyUsage' },
)

const Latency = t.Union([t.Integer(), t.Null()])
export const Operations = t.Object(
  {
    apiId: t.String(),
    ...range,
    items: t.Array(
      t.Object({
        operation: t.String({
          description: 'Method and path with ids replaced; `(other)` for the rest of many.',
        }),
        calls: t.Integer(),
        clientErrors: t.Integer({ description: 'Answers of 400 to 499.' }),
        serverErrors: t.Integer({ description: 'Answers of 500 and more.' }),
        errorRate: t.Number({ description: 'Share of both among all calls, 0 to 1.' }),
        latencyMs: t.Object(
          { p50: Latency, p95: Latency, p99: Latency },
          { description: 'From a histogram: within a tenth of the true value.' },
        ),
        ...volume,
      }),
      { description: 'The most called first.' },
    ),
  },
  { $id: 'OperationUsage' },
)

const exported = {
  from: t.Optional(Instant('First instant; 30 days before `to` if left out.')),
  to: t.Optional(Instant('End, not included; now if left out.')),
  format: oneOf(EXPORT_FORMATS, { default: 'csv' }),
}
export const ApiExportQuery = t.Object(exported)
export const ExportQuery = t.Object({
  subscriptionId: t.String({ description: 'Id of a subscription of yours.' }),
  ...exported,
})
export type ExportInput = Static<typeof ApiExportQuery>
