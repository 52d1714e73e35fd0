import { KeyTable } from './authorize-keys'
import { LimitsInterner, type PlanLimits, type RateLimit } from './authorize-limits'
import { type EdgeScope, type Scope, scopeOf } from './authorize-scope'
import type { BucketLimit } from './token-bucket'
import { TokenBucket } from './token-bucket'

export type EdgeKeyStatus =
  | 'pending'
  | 'active'
  | 'failed_sync'
  | 'rotating'
  | 'revoked'
  | 'expired'

/** Whether calls of a subscription pass, must pay first, or are refused. */
export type Standing = 'passing' | 'unpaid' | 'inactive'

const STANDINGS: Record<string, Standing> = {
  active: 'passing',
  trialing: 'passing',
  past_due: 'passing',
  unpaid: 'unpaid',
  suspended: 'unpaid',
}

/** Rows bring a text of their own each; these are shared by all records. */
const KEY_STATUSES: Record<EdgeKeyStatus, EdgeKeyStatus> = {
  pending: 'pending',
  active: 'active',
  failed_sync: 'failed_sync',
  rotating: 'rotating',
  revoked: 'revoked',
  expired: 'expired',
}

/** A key as the loader hands it over. */
export interface EdgeKey {
  /** `key_<id>` with the twelve characters that stand in the key. */
  id: string
  /** SHA-256 of the secret, 32 bytes; copied, not kept. */
  secretHash: Uint8Array
  apiId: string
  subscriptionId: string
  status: EdgeKeyStatus
  /** Epoch ms from which the key is refused; of a rotating key the end of its grace. */
  expiresAt: number | null
  /** What the key is limited to. */
  scope?: EdgeScope | null
}

/** The calls included in a billing period, half-open `[periodStart, periodEnd)` in epoch ms. */
export interface EdgeQuota {
  limit: number
  /** Hard: refused beyond the limit. Soft: passes and is billed as overage. */
  hard: boolean
  periodId: string
  periodStart: number
  periodEnd: number
}

/** What the ledger knows of a subscription's period: every call, and the units that count. */
export interface LedgerCount {
  calls: number
  units: number
}

export interface EdgeSubscription {
  id: string
  apiId: string
  /** `trialing`, `active` and `past_due` pass; `unpaid` and `suspended` must pay; others are refused. */
  status: string
  rateLimits: readonly RateLimit[]
  quota: EdgeQuota | null
  /** The spend cap of the period is used up. */
  spendCapReached?: boolean
  /** The count of `quota`'s period; left out, what is known stays (0 in a new period). */
  ledger?: LedgerCount
}

/** Whatever has buckets of its own: a key, a subscription. */
export interface BucketHolder {
  /** The first of a chain, in the order of the limits. */
  bucket: TokenBucket | null
}

/** A key as it is held: a few words; its id and digest lie in the key table. */
export class KeyRecord implements BucketHolder {
  bucket: TokenBucket | null = null
  apiId: string
  status: EdgeKeyStatus
  expiresAt: number
  scope: Scope | null

  constructor(
    public subscription: SubscriptionRecord,
    key: EdgeKey,
    apiId: string,
  ) {
    this.apiId = apiId
    this.status = KEY_STATUSES[key.status]
    this.expiresAt = key.expiresAt ?? Number.POSITIVE_INFINITY
    this.scope = scopeOf(key.scope)
  }
}

/** A subscription as it is held; unknown until the loader has brought it. */
export class SubscriptionRecord implements BucketHolder {
  bucket: TokenBucket | null = null
  known = false
  standing: Standing = 'inactive'
  spendCapReached = false
  limits: PlanLimits | null = null
  quota: EdgeQuota | null = null
  /** The period rolled over here before the loader brought the next one. */
  rolledOver = false
  ledgerCalls = 0
  ledgerUnits = 0
  /** Calls authorised here that the ledger has not shown yet. */
  inFlight = 0
  /** Keys that point here. */
  keys = 0

  constructor(readonly id: string) {}

  /** Units used of the quota as far as this edge can know; see `EdgeState`. */
  used(): number {
    return this.ledgerUnits + this.inFlight
  }

  /** Starts the next period without the loader, which may be late: a customer's new month is not refused. */
  rollOver(now: number): void {
    const quota = this.quota
    if (quota === null || now < quota.periodEnd) return
    const length = Math.max(1, quota.periodEnd - quota.periodStart)
    const periodEnd = quota.periodEnd + (Math.floor((now - quota.periodEnd) / length) + 1) * length
    this.quota = { ...quota, periodStart: periodEnd - length, periodEnd }
    this.rolledOver = true
    this.#count(0, 0, 0)
  }

  /** Adopts the loader's quota and count; the same period keeps what this edge counted. */
  adopt(quota: EdgeQuota | null, ledger: LedgerCount | undefined): void {
    const samePeriod = quota?.periodId === this.quota?.periodId
    if (samePeriod && this.rolledOver) return
    this.quota = quota
    if (!samePeriod) {
      // What was counted since the roll-over belongs to the period that the loader brings now.
      this.#count(0, 0, this.rolledOver ? this.inFlight : 0)
      this.rolledOver = false
    }
    if (ledger !== undefined) this.record(ledger, samePeriod || this.inFlight > 0)
  }

  /** Takes a newer count of the present period: what the ledger gained is no longer in flight. */
  record(ledger: LedgerCount, settles = true): void {
    const gained = Math.max(0, ledger.calls - this.ledgerCalls)
    if (settles) this.inFlight = Math.max(0, this.inFlight - gained)
    this.ledgerCalls += gained
    this.ledgerUnits = ledger.units
  }

  #count(calls: number, units: number, inFlight: number): void {
    this.ledgerCalls = calls
    this.ledgerUnits = units
    this.inFlight = inFlight
  }
}

/**
 * Everything that the edge knows, in memory and without I/O: written by the loader, read by
 * `Authorizer`.
 *
 * **Quota bound.** Used = the ledger's units + the calls authorised here that the ledger has not
 * shown yet (each taken as one unit). Calls that the ledger gains settle calls in flight, wherever
 * they were made. With one edge a hard quota is therefore exact. With several it is sold over by at
 * most the calls of that subscription which all edges authorised since the ledger count this edge
 * last saw, i.e. within shipping delay + polling interval; the same holds for what was in flight
 * when an edge restarted. A call that never reaches the ledger keeps one unit back until the period
 * ends: it errs against selling over.
 */
export class EdgeState {
  readonly #keys = new KeyTable<KeyRecord>()
  readonly #subscriptions = new Map<string, SubscriptionRecord>()
  readonly #limits = new LimitsInterner()
  /** One text for each API, however many keys name it; there are far fewer APIs than keys. */
  readonly #apiIds = new Map<string, string>()
  /** Holders with buckets that may still be short of calls. */
  readonly #limited = new Set<BucketHolder>()
  #sweep: Iterator<BucketHolder> | null = null

  get keyCount(): number {
    return this.#keys.size
  }

  get subscriptionCount(): number {
    return this.#subscriptions.size
  }

  /** Holders whose buckets are in memory. */
  get limitedCount(): number {
    return this.#limited.size
  }

  /** The slot of a key by its twelve characters, -1 when it is unknown. */
  findKey(publicId: string): number {
    return this.#keys.find(publicId)
  }

  keyAt(slot: number): KeyRecord | undefined {
    return this.#keys.recordAt(slot)
  }

  /** Constant-time comparison with the stored digest; an unknown key costs the same and fails. */
  secretMatches(slot: number, digest: Uint32Array): boolean {
    return this.#keys.matches(slot, digest)
  }

  /** Throws a `RangeError` for a malformed id or digest, which the loader must never let in. */
  upsertKey(key: EdgeKey): void {
    const publicId = publicKeyId(key.id)
    const slot = this.#keys.find(publicId)
    const existing = this.#keys.recordAt(slot)
    const subscription = this.#reference(key.subscriptionId)
    if (existing === undefined) {
      this.#keys.add(
        publicId,
        key.secretHash,
        new KeyRecord(subscription, key, this.#apiId(key.apiId)),
      )
      subscription.keys++
      return
    }
    this.#keys.writeDigest(slot, key.secretHash)
    existing.apiId = this.#apiId(key.apiId)
    existing.status = KEY_STATUSES[key.status]
    existing.expiresAt = key.expiresAt ?? Number.POSITIVE_INFINITY
    existing.scope = scopeOf(key.scope)
    this.#move(existing, subscription)
  }

  removeKey(id: string): void {
    const publicId = publicKeyId(id)
    const record = this.#keys.recordAt(this.#keys.find(publicId))
    if (record === undefined) return
    this.#keys.remove(publicId)
    this.#limited.delete(record)
    record.subscription.keys--
    this.#forgetIfUnused(record.subscription)
  }

  /** Adopts the loader's row; buckets and calls in flight stay. */
  upsertSubscription(subscription: EdgeSubscription): void {
    const record = this.#reference(subscription.id)
    const previous = record.limits
    record.limits = this.#limits.acquire(subscription.rateLimits, subscription.quota)
    if (previous !== null) this.#limits.release(previous)
    record.known = true
    record.standing = STANDINGS[subscription.status] ?? 'inactive'
    record.spendCapReached = subscription.spendCapReached ?? false
    record.adopt(subscription.quota, subscription.ledger)
  }

  removeSubscription(id: string): void {
    const record = this.#subscriptions.get(id)
    if (record === undefined) return
    if (record.limits !== null) this.#limits.release(record.limits)
    record.limits = null
    record.known = false
    this.#forgetIfUnused(record)
  }

  /** A newer count from the ledger; ignored for a period that the edge does not hold. */
  recordLedger(subscriptionId: string, periodId: string, ledger: LedgerCount): void {
    const record = this.#subscriptions.get(subscriptionId)
    if (record?.quota?.periodId === periodId && !record.rolledOver) record.record(ledger)
  }

  /** The periods with calls that the ledger has not shown yet. */
  inFlightPeriods(): { subscriptionId: string; periodId: string }[] {
    const found: { subscriptionId: string; periodId: string }[] = []
    for (const { id, inFlight, quota } of this.#subscriptions.values())
      if (inFlight > 0 && quota !== null)
        found.push({ subscriptionId: id, periodId: quota.periodId })
    return found
  }

  /** The chain of the holder's buckets for these limits, brought to `now`; null without limits. */
  bucketsOf(holder: BucketHolder, limits: readonly BucketLimit[], now: number): TokenBucket | null {
    if (limits.length === 0) return null
    let bucket = holder.bucket
    if (bucket === null) {
      bucket = new TokenBucket(limits[0] as BucketLimit, now)
      holder.bucket = bucket
      this.#limited.add(holder)
    }
    const first = bucket
    for (let index = 0; index < limits.length; index++) {
      bucket.refill(limits[index] as BucketLimit, now)
      const following = limits[index + 1]
      if (following === undefined) bucket.next = null
      else bucket = bucket.next ??= new TokenBucket(following, now)
    }
    return first
  }

  /**
   * Forgets full buckets, looking at no more than `most` holders from where the last call stopped;
   * returns how many were forgotten. Called regularly it bounds memory to keys in recent use.
   */
  sweep(now: number, most = 10_000): number {
    let forgotten = 0
    for (let seen = 0; seen < most; seen++) {
      this.#sweep ??= this.#limited.values()
      const next = this.#sweep.next()
      if (next.done === true) {
        this.#sweep = null
        return forgotten
      }
      if (!isIdle(next.value, now)) continue
      next.value.bucket = null
      this.#limited.delete(next.value)
      forgotten++
    }
    return forgotten
  }

  #apiId(text: string): string {
    const known = this.#apiIds.get(text)
    if (known !== undefined) return known
    this.#apiIds.set(text, text)
    return text
  }

  #reference(subscriptionId: string): SubscriptionRecord {
    let record = this.#subscriptions.get(subscriptionId)
    if (record === undefined) {
      record = new SubscriptionRecord(subscriptionId)
      this.#subscriptions.set(subscriptionId, record)
    }
    return record
  }

  #move(key: KeyRecord, subscription: SubscriptionRecord): void {
    const previous = key.subscription
    if (previous === subscription) return
    key.subscription = subscription
    subscription.keys++
    previous.keys--
    this.#forgetIfUnused(previous)
  }

  #forgetIfUnused(record: SubscriptionRecord): void {
    if (record.known || record.keys > 0) return
    this.#subscriptions.delete(record.id)
    this.#limited.delete(record)
  }
}

function isIdle(holder: BucketHolder, now: number): boolean {
  for (let bucket = holder.bucket; bucket !== null; bucket = bucket.next) {
    if (!bucket.isFullAt(now)) return false
  }
  return true
}

/** `key_<id>` → `<id>`. */
function publicKeyId(id: string): string {
  return id.startsWith('key_') ? id.slice('key_'.length) : id
}
