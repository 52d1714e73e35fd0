import type { BucketLimit } from './token-bucket'

export interface RateLimit {
  scope: 'key' | 'subscription'
  /** Calls a window. */
  limit: number
  windowSeconds: number
}

/** The units included in a billing period. */
export interface EdgeQuota {
  limit: number
  /** Hard: refused beyond the limit. Soft: passes and is billed as overage. */
  hard: boolean
}

/** The limits of a plan, held once for all its subscriptions. */
export interface PlanLimits {
  /** What equal limits have in common; the interner's key. */
  readonly identity: string
  readonly key: readonly BucketLimit[]
  readonly subscription: readonly BucketLimit[]
  readonly quota: EdgeQuota | null
  /** The value of the `RateLimit-Policy` header, empty without limits. */
  readonly policy: string
}

/** Holds each distinct set of limits once, under a number, and counts its users, so that it is also let go. */
export class LimitsInterner {
  readonly #entries = new Map<string, { index: number; users: number }>()
  /** At 0 stands what has no limits yet. */
  readonly #limits: (PlanLimits | null)[] = [null]
  readonly #free: number[] = []

  at(index: number): PlanLimits | null {
    return this.#limits[index] ?? null
  }

  /** @param periodMs length of the period that the quota is for */
  acquire(rateLimits: readonly RateLimit[], quota: EdgeQuota | null, periodMs: number): number {
    const periodSeconds = Math.round(periodMs / 1000)
    const identity = identityOf(rateLimits, quota, periodSeconds)
    let entry = this.#entries.get(identity)
    if (entry === undefined) {
      entry = { index: this.#free.pop() ?? this.#limits.length, users: 0 }
      this.#limits[entry.index] = planLimits(identity, rateLimits, quota, periodSeconds)
      this.#entries.set(identity, entry)
    }
    entry.users++
    return entry.index
  }

  release(index: number): void {
    const identity = this.#limits[index]?.identity
    const entry = identity === undefined ? undefined : this.#entries.get(identity)
    if (identity === undefined || entry === undefined || --entry.users > 0) return
    this.#entries.delete(identity)
    this.#limits[index] = null
    this.#free.push(index)
  }

  /** What is held, by number, with its users. */
  image(): LimitsImage {
    return this.#limits.map(
      (limits) => limits && { limits, users: this.#entries.get(limits.identity)?.users ?? 0 },
    )
  }

  /** Becomes what the image was taken of. */
  restore(image: LimitsImage): void {
    this.#entries.clear()
    this.#limits.length = 0
    this.#free.length = 0
    for (const [index, entry] of image.entries()) {
      this.#limits.push(entry?.limits ?? null)
      if (entry !== null) this.#entries.set(entry.limits.identity, { index, users: entry.users })
      else if (index > 0) this.#free.push(index)
    }
  }
}

export type LimitsImage = ({ limits: PlanLimits; users: number } | null)[]

function identityOf(
  rateLimits: readonly RateLimit[],
  quota: EdgeQuota | null,
  periodSeconds: number,
): string {
  const rates = rateLimits.map((rate) => `${rate.scope}/${rate.limit}/${rate.windowSeconds}`)
  if (quota === null) return rates.join()
  return `${rates.join()}|${quota.limit}/${quota.hard}/${periodSeconds}`
}

function planLimits(
  identity: string,
  rateLimits: readonly RateLimit[],
  quota: EdgeQuota | null,
  periodSeconds: number,
): PlanLimits {
  const key = bucketLimits('key', rateLimits)
  const subscription = bucketLimits('subscription', rateLimits)
  const policies = [...key, ...subscription].map(
    (limit) => `"${limit.name}";q=${limit.limit};w=${limit.windowMs / 1000}`,
  )
  if (quota !== null) policies.push(`"quota";q=${quota.limit};w=${periodSeconds}`)
  return { identity, key, subscription, quota, policy: policies.join(', ') }
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
