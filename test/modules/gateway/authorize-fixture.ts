import { createHash, randomBytes } from 'node:crypto'
import { generateApiKey } from '#lib/api-key'
import { Authorizer, type Decision } from '../../../src/modules/gateway/authorize.ts'
import type { Refusal } from '../../../src/modules/gateway/authorize-refusal.ts'
import {
  type EdgeKey,
  EdgeState,
  type EdgeSubscription,
} from '../../../src/modules/gateway/edge-state.ts'

export const NOON = Date.UTC(2026, 0, 15, 12)
export const DAY = 86_400_000
export const API = 'api_1'

/** An edge with one subscription and one key of it; each part may be given otherwise. */
export function edgeWith(
  options: { key?: Partial<EdgeKey>; subscription?: Partial<EdgeSubscription> } = {},
) {
  const state = new EdgeState()
  const generated = generateApiKey(randomBytes)
  const subscription: EdgeSubscription = {
    id: 'sub_11111111111111111111111111111111',
    status: 'active',
    rateLimits: [],
    quota: null,
    period: month(),
    ...options.subscription,
  }
  const key: EdgeKey = {
    id: `key_${generated.id}`,
    secretHash: createHash('sha256').update(generated.secret).digest(),
    apiId: API,
    subscriptionId: subscription.id,
    status: 'active',
    expiresAt: null,
    ...options.key,
  }
  state.upsertSubscription(subscription)
  state.upsertKey(key)
  const authorizer = new Authorizer(state)
  return {
    state,
    authorizer,
    generated,
    key,
    subscription,
    call: (now = NOON, text: string | null = generated.key, apiId: string | null = API) =>
      authorizer.authorize({ key: text, apiId }, now),
  }
}

/** Adds one more key of the subscription and returns its text. */
export function addKey(
  state: EdgeState,
  subscriptionId = 'sub_11111111111111111111111111111111',
): string {
  const { id, hash, key } = generateApiKey(randomBytes)
  const status = 'active'
  state.upsertKey({
    id: `key_${id}`,
    secretHash: hash,
    apiId: API,
    subscriptionId,
    status,
    expiresAt: null,
  })
  return key
}

export function refused(decision: Decision): Refusal {
  if (decision.admitted) throw new Error('the call was admitted')
  return decision
}

/** How many of `attempts` calls pass. */
export function passes(call: () => Decision, attempts: number): number {
  let admitted = 0
  for (let attempt = 0; attempt < attempts; attempt++) if (call().admitted) admitted++
  return admitted
}

export const monthlyQuota = (limit: number, hard = true) => ({ limit, hard })

/** Half of it is over at noon. */
export const month = (id = 'per_11111111111111111111111111111111') => ({
  id,
  start: NOON - 14 * DAY,
  end: NOON + 17 * DAY,
})
