import { Authorizer } from '../../src/modules/gateway/authorize.ts'
import { startEdgeServer } from '../../src/modules/gateway/edge-server.ts'
import { EdgeState } from '../../src/modules/gateway/edge-state.ts'
import { EDGE_CERTIFICATE } from '../support/gateway.ts'
import type { SeededKey } from '../support/seed.ts'

/** The real edge over a state filled from a file: every key has limits and a quota that let it pass. */
const { seedFile, unix, tls } = JSON.parse(process.argv[2] ?? '{}') as {
  seedFile: string
  /** Listens here in place of a free port. */
  unix?: string
  /** Behind a gateway; a load generator asks in plain text. */
  tls?: boolean
}
const seeds = (await Bun.file(seedFile).json()) as SeededKey[]
const clock = { now: () => new Date() }
const now = clock.now().getTime()
const state = new EdgeState()

for (const { id, hash, apiId, subscriptionId } of seeds) {
  state.upsertSubscription({
    id: subscriptionId,
    status: 'active',
    rateLimits: [
      { scope: 'key', limit: 1_000_000, windowSeconds: 60 },
      { scope: 'subscription', limit: 5_000_000, windowSeconds: 60 },
    ],
    quota: {
      limit: 1_000_000_000,
      hard: true,
    },
    period: { id: `per_${'0'.repeat(32)}`, start: now, end: now + 30 * 86_400_000 },
    ledger: { calls: 0, units: 0 },
  })
  state.upsertKey({
    id: `key_${id}`,
    secretHash: Buffer.from(hash, 'hex'),
    apiId,
    subscriptionId,
    status: 'active',
    expiresAt: null,
  })
}

const server = startEdgeServer({
  listen: unix === undefined ? { host: '127.0.0.1', port: 0 } : { unix },
  ...(tls && { certificate: EDGE_CERTIFICATE }),
  authorizer: new Authorizer(state),
  clock,
})

process.on('disconnect', () => process.exit(0))
process.send?.({ port: server.port })
