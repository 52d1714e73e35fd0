import { randomUUID } from 'node:crypto'
import type { Id } from '#lib/id'
import type { UsageEvent } from '#modules/usage'

let sequence = 0

/** A call of a minute ago, as a gateway reports it. */
export const makeCall = (keyId: Id<'key'>, change: Partial<UsageEvent> = {}): UsageEvent => ({
  ...{ id: randomUUID(), gatewayId: 'gateway-1', sequence: ++sequence, keyId },
  ...{ method: 'GET', path: '/weather/today', status: 200 },
  ...{ durationMs: 12, requestBytes: 10, responseBytes: 100 },
  at: new Date(Date.now() - 60_000).toISOString(),
  ...change,
})
