import type { Db } from '#db/client'
import type { Metrics } from '#infra/metrics'
import { listDrift } from './drift-repository'
import type { EdgeDecisions } from './edge-decisions'
import { countOpenCommits } from './repository'

/** What the gateways are told and whether they heard it: the same from every process. */
export function addGateway(metrics: Metrics, db: Db): void {
  metrics.add({
    name: 'gateway',
    series: {
      veil_gateway_open_commits: {
        help: 'Changes that are neither in force nor undone, by their age',
        labels: ['age'],
      },
      veil_gateway_oldest_open_commit_seconds: { help: 'Age of the oldest of them' },
      veil_gateway_drifts: {
        help: 'Differences from the database that the last comparison found',
        labels: ['gateway', 'kind'],
      },
      veil_gateway_drifts_total: {
        help: 'Differences that were found so far',
        ...{ labels: ['gateway'], isCounter: true },
      },
    },
    read: async () => {
      const [{ oldestSeconds, ...ages }, drifts] = await Promise.all([
        countOpenCommits(db),
        listDrift(db),
      ])
      return [
        { name: 'veil_gateway_oldest_open_commit_seconds', value: oldestSeconds },
        ...Object.entries(ages).map(([age, value]) => ({
          name: 'veil_gateway_open_commits' as const,
          labels: { age },
          value,
        })),
        ...drifts.flatMap(({ gatewayId: gateway, total, missing, stale, orphan }) => [
          { name: 'veil_gateway_drifts_total' as const, labels: { gateway }, value: total },
          ...Object.entries({ missing, stale, orphan }).map(([kind, value]) => ({
            name: 'veil_gateway_drifts' as const,
            labels: { gateway, kind },
            value,
          })),
        ]),
      ]
    },
  })
}

/** What the edge of this process decided. */
export function addEdge(metrics: Metrics, decisions: EdgeDecisions): void {
  const name = 'veil_edge_decisions_total'
  metrics.add({
    name: 'edge',
    series: {
      [name]: {
        help: 'Calls that were let through, or refused for a reason',
        ...{ labels: ['decision'], isCounter: true },
      },
    },
    read: () =>
      decisions.list().map(([decision, value]) => ({ name, labels: { decision }, value })),
  })
}
