import { oneOf, RouteGroup, strict, t } from '#infra/http'
import type { CompletenessService } from './completeness'

const GatewayId = t.String({ pattern: '^[a-z0-9-]{1,40}$', description: 'Name of the gateway.' })
const range = { first: t.Integer({ minimum: 1 }), last: t.Integer({ minimum: 1 }) }
const Ranges = t.Array(t.Object(range), { description: 'Both ends included.' })

const UsageCompleteness = t.Object(
  {
    waitingBatches: t.Integer({ description: 'Arrived, and not in the ledger yet.' }),
    gateways: t.Array(
      t.Object({
        gatewayId: GatewayId,
        highest: t.Integer({ description: 'The highest number that arrived.' }),
        completeUpTo: t.Integer({ description: 'Every number up to this one arrived.' }),
        missing: t.Integer({ description: 'Numbers below the highest that did not.' }),
        lastEventAt: t.Union([t.String(), t.Null()], {
          description: 'When the newest accepted call ended.',
        }),
        gaps: t.Array(
          t.Object({
            ...range,
            since: t.String({ description: 'When it was noticed.' }),
            state: oneOf(['open', 'requested', 'unrecoverable'], {
              description:
                'Noticed; the gateway is asked to send it again; the gateway has it no more.',
            }),
          }),
        ),
      }),
    ),
  },
  { $id: 'UsageCompleteness' },
)

const UnrecoverableUsage = strict(
  { gatewayId: GatewayId, ranges: t.Array(strict(range), { minItems: 1, maxItems: 1_000 }) },
  {
    $id: 'UnrecoverableUsage',
    examples: [{ gatewayId: 'gateway-1', ranges: [{ first: 1_001, last: 2_000 }] }],
  },
)

const UsageArrivals = t.Object(
  {
    highest: t.Integer({ description: 'The highest number that arrived; 0 before the first.' }),
    gaps: Ranges,
  },
  { $id: 'UsageArrivals' },
)

export const completenessRoutes = (completeness: CompletenessService) =>
  new RouteGroup('/usage', 'Usage')
    .get(
      '/completeness',
      {
        permission: 'usage:audit',
        summary: 'Which calls of each gateway arrived',
        description:
          'A gateway numbers the calls that it reports. A number that arrived is in the ledger, in the ' +
          'dead letters or in the queue. A gap of more than five minutes is sent again by itself where ' +
          'the gateway still has it.',
        response: UsageCompleteness,
      },
      () => completeness.overview(),
    )
    .get(
      '/gaps',
      {
        permission: 'gateway',
        summary: 'What a gateway should send again (gateways only)',
        query: t.Object({ gatewayId: GatewayId }),
        response: UsageArrivals,
      },
      ({ query }) => completeness.arrivalsOf(query.gatewayId),
    )
    .post(
      '/gaps/unrecoverable',
      {
        permission: 'gateway',
        summary: 'Say what cannot be sent again (gateways only)',
        body: UnrecoverableUsage,
        status: 204,
      },
      async ({ body }) => {
        await completeness.reportUnrecoverable(body.gatewayId, body.ranges)
      },
    )
