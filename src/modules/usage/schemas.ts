import type { Static } from '@sinclair/typebox'
import { oneOf, strict, t } from '#infra/http'

const Instant = (description: string) => t.String({ format: 'date-time', description })

/**
 * The shape only: whether the values make sense is asked event by event, so that one bad event does
 * not keep a whole batch, and the gateway behind it, waiting for ever.
 */
const UsageEventInput = t.Object(
  {
    id: t.String({ description: 'Request id of the call, a UUID.' }),
    gatewayId: t.String({ description: 'Name of the gateway.' }),
    sequence: t.Number({ description: 'Gapless per gateway, from 1.' }),
    keyId: t.String({ description: '`key_` and the twelve characters that stand in the key.' }),
    method: t.String(),
    path: t.String({ description: 'Without the query.' }),
    status: t.Number(),
    durationMs: t.Number(),
    requestBytes: t.Number(),
    responseBytes: t.Number(),
    at: t.String({ description: 'When the call ended, RFC 3339.' }),
  },
  { $id: 'UsageEvent' },
)

export const UsageBatchBody = strict(
  { events: t.Array(UsageEventInput, { minItems: 1, maxItems: 1_000 }) },
  {
    $id: 'UsageBatch',
    examples: [
      {
        events: [
          {
            id: '0192f7a0-c1d4-7c3e-8f00-a1b2c3d4e5f6',
            gatewayId: 'gateway-1',
            sequence: 1,
            keyId: 'key_9ZkP2mQx7LbT',
            method: 'GET',
            path: '/weather/forecast',
            status: 200,
            durationMs: 12.5,
            requestBytes: 0,
            responseBytes: 512,
            at: '2026-01-31T12:00:00.000Z',
          },
        ],
      },
    ],
  },
)

export const UsageReceipt = t.Object(
  {
    accepted: t.Integer({
      description: 'Events that were taken; they are counted within a second.',
    }),
    rejected: t.Array(
      t.Object({
        id: t.String(),
        index: t.Integer({ description: 'Place in the batch, from 0.' }),
        reason: oneOf(['invalid', 'too_old', 'in_future']),
        detail: t.String(),
      }),
    ),
  },
  { $id: 'UsageReceipt' },
)

const counts = {
  calls: t.Integer({ description: 'All calls that were let through, billable or not.' }),
  errors: t.Integer({ description: 'Those answered with a status of 400 or more.' }),
  units: t.Integer({ description: 'Billable units.' }),
}

export const UsageSummary = t.Object(
  {
    items: t.Array(
      t.Object({
        subscriptionId: t.String(),
        api: t.Object({ id: t.String(), slug: t.String(), name: t.String() }),
        period: t.Object({ id: t.String(), start: t.String(), end: t.String() }),
        ...counts,
      }),
    ),
  },
  { $id: 'UsageSummary' },
)

export const UsageStatsQuery = t.Object({
  subscriptionId: t.String({ description: 'Id of a subscription of yours.' }),
  from: t.Optional(
    Instant('First instant; a day (hours) or 30 days (days) before `to` if left out.'),
  ),
  to: t.Optional(Instant('End, not included; now if left out.')),
  interval: oneOf(['hour', 'day'], {
    default: 'hour',
    description: 'UTC hours or days.',
  }),
})
export type UsageStatsInput = Static<typeof UsageStatsQuery>

export const UsageStats = t.Object(
  {
    subscriptionId: t.String(),
    interval: t.String(),
    from: t.String(),
    to: t.String(),
    buckets: t.Array(
      t.Object({
        start: t.String(),
        ...counts,
        averageDurationMs: t.Integer(),
        requestBytes: t.Integer(),
        responseBytes: t.Integer(),
      }),
      { description: 'In order of time; those without a call are left out.' },
    ),
  },
  { $id: 'UsageStats' },
)
