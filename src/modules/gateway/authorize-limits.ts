import type { BucketLimit } from './token-bucket'

export interface RateLimit {
  scope: 'key' | 'subscription'
  /** Calls a window. */
  limit: number
  windowSeconds: number
}

/** What the limits need to know of a quota. */
export interface QuotaPolicy {
  limit: number
  periodStart: number
  periodEnd: number
}

/** The limits of a plan, held once for all its subscriptions. */
export interface PlanLimits {
  /** What equal limits have in common; the interner's key. */
  readonly identity: string
  readonly key: readonly BucketLimit[]
  readonly subscription: readonly BucketLimit[]
  /** The value of the `RateLimit-Policy` header, empty without limits. */
  readonly policy: string
}

/** Holds each distinct set of limits once and counts its users, so that it is also let go. */
export class LimitsInterner {
  readonly #entries = new Map<string, { limits: PlanLimits; users: number }>()

  acquire(rateLimits: readonly RateLimit[], quota: QuotaPolicy | null): PlanLimits {
    const identity = identityOf(rateLimits, quota)
    let entry = this.#entries.get(identity)
    if (entry === undefined) {
      entry = { limits: planLimits(identity, rateLimits, quota), users: 0 }
      this.#entries.set(identity, entry)
    }
    entry.users++
    return entry.limits
  }

  release(limits: PlanLimits): void {
    const entry = this.#entries.get(limits.identity)
    if (entry !== undefined && --entry.users === 0) this.#entries.delete(limits.identity)
  }
}

function identityOf(rateLimits: readonly RateLimit[], quota: QuotaPolicy | null): string {
  const rates = rateLimits.map((rate) => `${rate.scope}/${rate.limit}/${rate.windowSeconds}`)
  return `${rates.join()}|${quota === null ? '' : `${quota.limit}/${periodSeconds(quota)}`}`
}

function planLimits(
  identity: string,
  rateLimits: readonly RateLimit[],
  quota: QuotaPolicy | null,
): PlanLimits {
  const key = bucketLimits('key', rateLimits)
  const subscription = bucketLimits('subscription', rateLimits)
  const policies = [...key, ...subscription].map(
    (limit) => `"${limit.name}";q=${limit.limit};w=${limit.windowMs / 1000}`,
  )
  if (quota !== null) policies.push(`"quota";q=${quota.limit};w=${periodSeconds(quota)}`)
  return { identity, key, subscription, policy: policies.join(', ') }
}

/** Named by the scope; by scope and window where a plan has several of one scope. */
function bucketLimits(scope: RateLimit['scope'], rateLimits: readonly RateLimit[]): BucketLimit[] {
  const own = rateLimits.filter((rate) => rate.scope === scope)
  return own.map(({ limit, windowSeconds }) => ({
    name: own.length > 1 ? `${scope}-${windowSeconds}s` : scope,
    limit,
    windowMs: windowSeconds * 1000,
  }))
}

function periodSeconds(quota: QuotaPolicy): number {
  return Math.round((quota.periodEnd - quota.periodStart) / 1000)
}
