import { hashSecret, type ParsedApiKey, parseApiKey, SECRET_HASH_LENGTH } from '#lib/api-key'
import type { PlanLimits } from './authorize-limits'
import { type Refusal, refusal } from './authorize-refusal'
import type { CallTarget } from './authorize-scope'
import type { EdgeState, KeyRecord } from './edge-state'
import type { SpendCap, SubscriptionRecord } from './edge-subscriptions'
import type { TokenBucket } from './token-bucket'

export interface AuthorizeRequest {
  /** The key as the client sent it; empty or null when it sent none. */
  key: string | null
  /** The API that the gateway's route stands for. */
  apiId: string | null
  /** What the call is for; asked only for keys with limits, which without it refuse. */
  target?: () => CallTarget
}

/** A call that passes; it has been counted. */
export interface Admission {
  readonly admitted: true
  /** `key_…` */
  readonly keyId: string
  readonly subscriptionId: string
  /** The value of the `RateLimit` header, empty without limits. */
  readonly rateLimit: string
  /** The value of the `RateLimit-Policy` header, empty without limits. */
  readonly rateLimitPolicy: string
}

export type Decision = Admission | Refusal

const NO_KEY = refusal('key_missing')
const NOT_ACCEPTED = refusal('key_not_accepted')

/**
 * Decides whether a call may pass: key, state, quota, rate limits, in memory only. All limits are
 * asked before any is charged, so a refusal by one takes nothing from another.
 */
export class Authorizer {
  readonly #state: EdgeState
  readonly #digest = new Uint8Array(SECRET_HASH_LENGTH)
  readonly #digestWords = new Uint32Array(this.#digest.buffer)

  constructor(state: EdgeState) {
    this.#state = state
  }

  /** `now` in epoch milliseconds. Never throws for what a client can send. */
  authorize(request: AuthorizeRequest, now: number): Decision {
    if (request.key === null || request.key === '') return NO_KEY
    const parsed = parseApiKey(request.key)
    if (parsed === null) return NOT_ACCEPTED
    const key = this.#prove(parsed)
    if (key === undefined) return refusal('key_not_accepted', { lookUp: `key_${parsed.id}` })
    if (key === null || key.apiId !== request.apiId) return NOT_ACCEPTED
    const call = { keyId: `key_${parsed.id}`, key, subscription: key.subscription, now }
    return refusedByState(call) ?? refusedByScope(call, request) ?? this.#withinLimits(call)
  }

  /**
   * Why a key is refused that is not in the allow-list of this API: what became of it is told only to
   * whoever knows its secret. Nothing is counted and nothing passes.
   */
  explain(request: AuthorizeRequest, now: number): Refusal {
    const parsed = request.key === null ? null : parseApiKey(request.key)
    if (parsed === null) return NOT_ACCEPTED
    const key = this.#prove(parsed)
    if (!key) return NOT_ACCEPTED
    if (key.apiId !== request.apiId) return refusal('key_of_another_api')
    const call = { keyId: `key_${parsed.id}`, key, subscription: key.subscription, now }
    // In force as far as this edge knows: its push is on the way, or news of its end.
    return refusedByState(call) ?? refusal('key_pending', { lookUp: call.keyId, retryAfter: 1 })
  }

  /**
   * Whether a key is in force, asked by who knows the stored digest (64 hex digits) instead of the
   * text: `key_<id>.<digest>`. Null when it is. Nothing is counted and nothing passes.
   */
  standing(request: AuthorizeRequest, now: number): Refusal | null {
    const [, id, hex] = /^key_([0-9A-Za-z]{12})\.([0-9a-f]{64})$/.exec(request.key ?? '') ?? []
    if (id === undefined || hex === undefined) return NOT_ACCEPTED
    this.#digest.set(Buffer.from(hex, 'hex'))
    const slot = this.#state.findKey(id)
    const key = this.#state.keyAt(slot)
    const proven = this.#state.secretMatches(slot, this.#digestWords)
    if (!key || !proven) return NOT_ACCEPTED
    if (key.apiId !== request.apiId) return refusal('key_of_another_api')
    return refusedByState({ keyId: `key_${id}`, key, subscription: key.subscription, now })
  }

  /** The key whose secret this is; null for a wrong secret, undefined for an unknown id. */
  #prove({ id, secret }: ParsedApiKey): KeyRecord | null | undefined {
    // Hashed before the look-up, so that an unknown id takes as long as a wrong secret.
    hashSecret(secret, this.#digest)
    const slot = this.#state.findKey(id)
    const proven = this.#state.secretMatches(slot, this.#digestWords)
    const key = this.#state.keyAt(slot)
    return key === undefined || proven ? key : null
  }

  #withinLimits(call: Call): Decision {
    const { key, subscription, now } = call
    const limits = this.#state.limitsOf(subscription)
    if (limits === null || subscription.isOver(now))
      return refusal('subscription_inactive', identityOf(call))
    subscription.rollOver(now)
    const { cap } = subscription
    if (cap !== null && subscription.used >= cap.units) return refusedByCap(call, cap)
    const own = this.#state.bucketsOfKey(key, limits, now)
    const shared = this.#state.bucketsOfSubscription(subscription, limits, now)
    if (isExhausted(subscription, limits) || !allAdmit(own) || !allAdmit(shared)) {
      return refusedByLimits(call, limits, own, shared)
    }
    take(own)
    take(shared)
    this.#state.admit(subscription, limits)
    return {
      admitted: true,
      keyId: call.keyId,
      subscriptionId: subscription.id,
      rateLimit: rateLimitValue(own, shared, call, limits),
      rateLimitPolicy: limits.policy,
    }
  }
}

/** A call whose key is proven. */
interface Call {
  keyId: string
  key: KeyRecord
  subscription: SubscriptionRecord
  now: number
}

function refusedByState(call: Call): Refusal | null {
  const { key, subscription } = call
  if (key.status === 'active' || key.status === 'rotating') {
    if (call.now >= key.expiresAt) return refusal('key_expired', identityOf(call))
    if (!subscription.known) {
      return refusal('subscription_inactive', { ...identityOf(call), lookUp: call.keyId })
    }
    return subscription.standing === 'passing' ? null : refusedBySubscription(call)
  }
  if (key.status === 'revoked') return refusal('key_revoked', identityOf(call))
  if (key.status === 'expired') return refusal('key_expired', identityOf(call))
  return refusal('key_pending', { ...identityOf(call), lookUp: call.keyId, retryAfter: 1 })
}

const NO_TARGET: CallTarget = { method: null, path: null, address: null, overridesMethod: false }

function refusedByScope(call: Call, { target }: AuthorizeRequest): Refusal | null {
  const { scope } = call.key
  if (scope === null) return null
  const code = scope.refuses(target?.() ?? NO_TARGET)
  return code === null ? null : refusal(code, identityOf(call))
}

function refusedBySubscription(call: Call): Refusal {
  const unpaid = call.subscription.standing === 'unpaid'
  return refusal(unpaid ? 'subscription_unpaid' : 'subscription_inactive', identityOf(call))
}

function refusedByCap(call: Call, spendCap: SpendCap): Refusal {
  return refusal('spend_cap_reached', { ...identityOf(call), spendCap })
}

function identityOf({ keyId, subscription }: Call): { keyId: string; subscriptionId: string } {
  return { keyId, subscriptionId: subscription.id }
}

function isExhausted(subscription: SubscriptionRecord, { quota }: PlanLimits): boolean {
  return quota?.hard === true && subscription.used >= quota.limit
}

function allAdmit(first: TokenBucket | null): boolean {
  for (let bucket = first; bucket !== null; bucket = bucket.next) {
    if (!bucket.admits()) return false
  }
  return true
}

function take(first: TokenBucket | null): void {
  for (let bucket = first; bucket !== null; bucket = bucket.next) bucket.take()
}

/** Names every limit that refuses; the one that lasts longest sets `Retry-After`. */
function refusedByLimits(
  call: Call,
  limits: PlanLimits,
  own: TokenBucket | null,
  shared: TokenBucket | null,
): Refusal {
  const { subscription, now } = call
  const violatedPolicies: string[] = []
  let wait = 0
  for (const first of [own, shared]) {
    for (let bucket = first; bucket !== null; bucket = bucket.next) {
      if (bucket.admits()) continue
      violatedPolicies.push(bucket.name)
      wait = Math.max(wait, bucket.millisecondsToNext())
    }
  }
  const exhausted = isExhausted(subscription, limits)
  if (exhausted) {
    violatedPolicies.push('quota')
    wait = Math.max(wait, subscription.periodEnd - now)
  }
  return refusal(exhausted ? 'quota_exhausted' : 'rate_limited', {
    ...identityOf(call),
    violatedPolicies,
    retryAfter: Math.max(1, Math.ceil(wait / 1000)),
    rateLimit: rateLimitValue(own, shared, call, limits),
    rateLimitPolicy: limits.policy,
  })
}

/**
 * The `RateLimit` field of draft-ietf-httpapi-ratelimit-headers-10: a list of the policies' names
 * with `r`, the calls left, and `t`, the seconds until the bucket is full again or, with nothing
 * left, until the next call passes, which is also `Retry-After`.
 */
function rateLimitValue(
  own: TokenBucket | null,
  shared: TokenBucket | null,
  { subscription, now }: Call,
  { quota }: PlanLimits,
): string {
  const value = bucketValues(bucketValues('', own), shared)
  if (quota === null) return value
  const left = Math.max(0, quota.limit - subscription.used)
  const seconds = Math.max(0, Math.ceil((subscription.periodEnd - now) / 1000))
  return `${value === '' ? '' : `${value}, `}"quota";r=${left};t=${seconds}`
}

function bucketValues(before: string, first: TokenBucket | null): string {
  let value = before
  for (let bucket = first; bucket !== null; bucket = bucket.next) {
    const left = bucket.remaining()
    const wait = left > 0 ? bucket.millisecondsToFull() : bucket.millisecondsToNext()
    if (value !== '') value += ', '
    value += `"${bucket.name}";r=${left};t=${Math.ceil(wait / 1000)}`
  }
  return value
}
