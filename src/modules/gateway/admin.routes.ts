import { RouteGroup, strict, t } from '#infra/http'
import type { Reconciler } from './reconciler'

const Instant = t.Union([t.String({ format: 'date-time' }), t.Null()])
const GatewayParams = t.Object({ id: t.String({ examples: ['gateway-1'] }) })

const GatewayView = t.Object(
  {
    id: t.String({ description: 'By its place in GATEWAY_ADMIN_URLS.' }),
    url: t.String({ description: 'Its admin endpoint.' }),
    isUp: t.Boolean({ description: 'Whether the admin endpoint answers.' }),
    version: t.Union([t.String(), t.Null()]),
    revision: t.Union([t.String(), t.Null()], { description: 'SHA-256 of what it serves.' }),
    isInSync: t.Boolean({
      description: 'Whether it serves what the database says at this moment.',
    }),
    checkedAt: Instant,
    drifts: t.Integer({ description: 'Found by all comparisons so far; 0 where all is well.' }),
  },
  { $id: 'Gateway' },
)

const FOUND = {
  missing: t.Integer({ description: 'APIs and keys that the gateway lacks.' }),
  stale: t.Integer({ description: 'APIs that it serves otherwise.' }),
  orphan: t.Integer({ description: 'APIs and keys that it should not have.' }),
  drifts: t.Array(
    t.Object({
      kind: t.Union([t.Literal('missing'), t.Literal('stale'), t.Literal('orphan')]),
      subjectId: t.String({ description: 'Id of the API or the key.' }),
    }),
  ),
}
const DriftView = t.Object(
  { checkedAt: Instant, driftedAt: Instant, total: t.Integer(), ...FOUND },
  { $id: 'GatewayDrift' },
)
const ReconcileBody = strict(
  { dryRun: t.Boolean({ default: false }) },
  { $id: 'ReconcileInput', examples: [{ dryRun: true }] },
)
const Reconciled = t.Object({ ...FOUND, healed: t.Boolean() }, { $id: 'Reconciliation' })

export const gatewayRoutes = (reconciler: Reconciler) =>
  new RouteGroup('/admin/gateways', 'Gateways')
    .get(
      '',
      {
        permission: 'gateways:manage',
        summary: 'Every gateway as it is now',
        response: t.Array(GatewayView),
      },
      () => reconciler.list(),
    )
    .get(
      '/:id/drift',
      {
        permission: 'gateways:manage',
        summary: 'What the comparison found that last found any drift',
        params: GatewayParams,
        response: DriftView,
        problems: [404],
      },
      ({ params }) => reconciler.drift(params.id),
    )
    .post(
      '/:id/reconcile',
      {
        permission: 'gateways:manage',
        summary: 'Compare a gateway with the database, and mend it',
        description: 'With `dryRun` it only says what differs.',
        params: GatewayParams,
        body: ReconcileBody,
        response: Reconciled,
        problems: [404, 503],
      },
      ({ actor, params, body }) =>
        reconciler.reconcile(params.id, { dryRun: body.dryRun, actorId: actor.userId }),
    )
