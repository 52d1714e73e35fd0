import { type KeyFields, KeyTable, type TableImage } from './authorize-keys'
import {
  type EdgeQuota,
  type LimitsImage,
  LimitsInterner,
  type PlanLimits,
  type RateLimit,
} from './authorize-limits'
import { type EdgeScope, Scope } from './authorize-scope'
import { BucketShelf } from './edge-buckets'
import {
  type EdgePeriod,
  type LedgerCount,
  type SpendCap,
  type Standing,
  type SubscriptionRecord,
  SubscriptionTable,
} from './edge-subscriptions'
import type { TokenBucket } from './token-bucket'

const KEY_STATUSES = ['pending', 'active', 'failed_sync', 'rotating', 'revoked', 'expired'] as const
export type EdgeKeyStatus = (typeof KEY_STATUSES)[number]

const STANDINGS: Record<string, Standing> = {
  active: 'passing',
  trialing: 'passing',
  past_due: 'passing',
  unpaid: 'unpaid',
  suspended: 'unpaid',
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

export interface EdgeSubscription {
  id: string
  /** `trialing`, `active` and `past_due` pass; `unpaid` and `suspended` must pay; others are refused. */
  status: string
  rateLimits: readonly RateLimit[]
  quota: EdgeQuota | null
  period: EdgePeriod
  /** Its end is arranged: no period follows this one. */
  endsWithPeriod?: boolean
  cap?: SpendCap | null
  /** The count of the period; left out, what is known stays (0 in a new period). */
  ledger?: LedgerCount
}

/** All that an edge knows, to be kept on disk; of keys it holds hashes only. */
export interface EdgeImage {
  keys: TableImage
  subscriptions: TableImage
  apiIds: string[]
  limits: LimitsImage
  /** By slot of the key. */
  scopes: [number, EdgeScope][]
  caps: [number, SpendCap][]
}

/** A key as it stands now; not kept longer than a decision takes. */
export interface KeyRecord {
  slot: number
  apiId: string
  status: EdgeKeyStatus
  /** Infinity without an end. */
  expiresAt: number
  scope: Scope | null
  subscription: SubscriptionRecord
}

/**
 * Everything that the edge knows, in memory and without I/O: written by the loader, read by
 * `Authorizer`.
 *
 * **Quota bound.** Used = the ledger's units + the calls authorised here that the ledger has not
 * shown yet (each taken as one unit). Calls that the ledger gains settle calls in flight, wherever
 * they were made. With one edge a hard quota is therefore exact. With several it is sold over, once in
 * a period, by at most the calls that the other edges let through within shipping delay + polling
 * interval: by then their ledger count shows that nothing is left. The same holds for what was in
 * flight when an edge restarted. A call that never reaches the ledger keeps one unit back until the
 * period ends: it errs against selling over.
 */
export class EdgeState {
  readonly #keys = new KeyTable()
  readonly #subscriptions = new SubscriptionTable()
  readonly #limits = new LimitsInterner()
  /** By slot of the key; most keys are not limited. */
  readonly #scopes = new Map<number, Scope>()
  /** There are far fewer APIs than keys. */
  readonly #apiIds: string[] = []
  readonly #apiNumbers = new Map<string, number>()
  /** Subscriptions with calls in flight, and some whose calls were settled since. */
  readonly #counting = new Set<number>()
  readonly #keyBuckets = new BucketShelf()
  readonly #subscriptionBuckets = new BucketShelf()

  get keyCount(): number {
    return this.#keys.size
  }

  get subscriptionCount(): number {
    return this.#subscriptions.size
  }

  /** Keys and subscriptions whose buckets are in memory. */
  get limitedCount(): number {
    return this.#keyBuckets.size + this.#subscriptionBuckets.size
  }

  /** The slot of a key by its twelve characters, -1 when it is unknown. */
  findKey(publicId: string): number {
    return this.#keys.find(publicId)
  }

  /** Undefined for slot -1. */
  keyAt(slot: number): KeyRecord | undefined {
    if (slot < 0) return undefined
    const { api, status, expiresAt, subscription } = this.#keys.fieldsAt(slot)
    return {
      slot,
      apiId: this.#apiIds[api] as string,
      status: KEY_STATUSES[status] as EdgeKeyStatus,
      expiresAt,
      scope: this.#scopes.get(slot) ?? null,
      subscription: this.#subscriptions.at(subscription),
    }
  }

  /** Constant-time comparison with the stored digest; an unknown key costs the same and fails. */
  secretMatches(slot: number, digest: Uint32Array): boolean {
    return this.#keys.matches(slot, digest)
  }

  limitsOf(subscription: SubscriptionRecord): PlanLimits | null {
    return this.#limits.at(subscription.limits)
  }

  /** Throws a `RangeError` for a malformed id or digest, which the loader must never let in. */
  upsertKey(key: EdgeKey): void {
    const publicId = publicKeyId(key.id)
    const known = this.#keys.find(publicId)
    const slot = known >= 0 ? known : this.#keys.add(publicId, key.secretHash)
    if (known >= 0) this.#keys.writeDigest(slot, key.secretHash)
    const subscription = this.#subscriptions.at(this.#subscriptions.reference(key.subscriptionId))
    const previous = known >= 0 ? this.#keys.fieldsAt(slot).subscription : null
    this.#keys.writeFields(slot, this.#fieldsOf(key, subscription.slot))
    if (key.scope) this.#scopes.set(slot, new Scope(key.scope))
    else this.#scopes.delete(slot)
    if (previous === subscription.slot) return
    subscription.keys++
    if (previous !== null) this.#unlink(previous)
  }

  removeKey(id: string): void {
    const publicId = publicKeyId(id)
    const slot = this.#keys.find(publicId)
    if (slot < 0) return
    const { subscription } = this.#keys.fieldsAt(slot)
    this.#keys.remove(publicId)
    this.#keyBuckets.forget(slot)
    this.#scopes.delete(slot)
    this.#unlink(subscription)
  }

  /** Adopts the loader's row; buckets and calls in flight stay. */
  upsertSubscription(row: EdgeSubscription): void {
    const record = this.#subscriptions.at(this.#subscriptions.reference(row.id))
    const previous = record.limits
    const { start, end } = row.period
    record.limits = this.#limits.acquire(row.rateLimits, row.quota, end - start)
    this.#limits.release(previous)
    record.stand(STANDINGS[row.status] ?? 'inactive', row.endsWithPeriod)
    record.setCap(row.cap ?? null)
    record.adopt(row.period, row.ledger)
  }

  removeSubscription(id: string): void {
    const slot = this.#subscriptions.find(id)
    if (slot < 0) return
    const record = this.#subscriptions.at(slot)
    this.#limits.release(record.limits)
    record.limits = 0
    record.stand(null)
    this.#forgetIfUnused(record)
  }

  /** Counts a call that passes, where there is something to count against. */
  admit(subscription: SubscriptionRecord, { quota }: PlanLimits): void {
    if (quota === null && subscription.cap === null) return
    const inFlight = subscription.inFlight + 1
    subscription.inFlight = inFlight
    if (inFlight === 1) this.#counting.add(subscription.slot)
  }

  /** A newer count from the ledger; ignored for a period that the edge does not hold. */
  recordLedger(subscriptionId: string, periodId: string, ledger: LedgerCount): void {
    const slot = this.#subscriptions.find(subscriptionId)
    if (slot < 0 || !this.#subscriptions.isPeriodOf(slot, periodId)) return
    const record = this.#subscriptions.at(slot)
    if (!record.rolledOver) record.record(ledger)
  }

  /** The periods with calls that the ledger has not shown yet. */
  inFlightPeriods(): { subscriptionId: string; periodId: string }[] {
    const found: { subscriptionId: string; periodId: string }[] = []
    for (const slot of this.#counting) {
      const { id: subscriptionId, periodId, inFlight } = this.#subscriptions.at(slot)
      if (inFlight > 0) found.push({ subscriptionId, periodId })
      else this.#counting.delete(slot)
    }
    return found
  }

  /** The chain of a key's buckets, brought to `now`; null without limits. */
  bucketsOfKey({ slot }: KeyRecord, { key }: PlanLimits, now: number): TokenBucket | null {
    return this.#keyBuckets.bucketsOf(slot, key, now)
  }

  /** The chain of the buckets that all keys of a subscription share. */
  bucketsOfSubscription(
    { slot }: SubscriptionRecord,
    { subscription }: PlanLimits,
    now: number,
  ): TokenBucket | null {
    return this.#subscriptionBuckets.bucketsOf(slot, subscription, now)
  }

  /**
   * Forgets full buckets, looking at no more than `most` holders of each kind from where the last call
   * stopped; returns how many were forgotten. Called regularly it bounds memory to recent use.
   */
  sweep(now: number, most = 10_000): number {
    return this.#keyBuckets.sweep(now, most) + this.#subscriptionBuckets.sweep(now, most)
  }

  /** Copies everything in one go, about 50 ms for a million keys; buckets are left out. */
  image(): EdgeImage {
    return {
      keys: this.#keys.image(),
      subscriptions: this.#subscriptions.image(),
      apiIds: [...this.#apiIds],
      limits: this.#limits.image(),
      scopes: [...this.#scopes].map(([slot, { source }]) => [slot, source]),
      caps: [...this.#subscriptions.caps],
    }
  }

  /** Becomes what the image was taken of, whatever it held. */
  restore(image: EdgeImage): void {
    this.#keys.restore(image.keys)
    this.#subscriptions.restore(image.subscriptions, image.caps)
    this.#limits.restore(image.limits)
    this.#scopes.clear()
    for (const [slot, scope] of image.scopes) this.#scopes.set(slot, new Scope(scope))
    this.#apiIds.length = 0
    this.#apiNumbers.clear()
    for (const apiId of image.apiIds) this.#apiNumber(apiId)
    this.#keyBuckets.clear()
    this.#subscriptionBuckets.clear()
    this.#counting.clear()
    for (let slot = 0; slot < this.#subscriptions.slots; slot++)
      if (this.#subscriptions.at(slot).inFlight > 0) this.#counting.add(slot)
  }

  #fieldsOf({ apiId, status, expiresAt }: EdgeKey, subscription: number): KeyFields {
    return {
      subscription,
      api: this.#apiNumber(apiId),
      status: KEY_STATUSES.indexOf(status),
      expiresAt: expiresAt ?? Number.POSITIVE_INFINITY,
    }
  }

  #apiNumber(apiId: string): number {
    const known = this.#apiNumbers.get(apiId)
    if (known !== undefined) return known
    this.#apiNumbers.set(apiId, this.#apiIds.length)
    return this.#apiIds.push(apiId) - 1
  }

  #unlink(subscription: number): void {
    const record = this.#subscriptions.at(subscription)
    record.keys--
    this.#forgetIfUnused(record)
  }

  #forgetIfUnused(record: SubscriptionRecord): void {
    if (record.known || record.keys > 0) return
    this.#subscriptions.remove(record.slot)
    this.#subscriptionBuckets.forget(record.slot)
    this.#counting.delete(record.slot)
  }
}

/** `key_<id>` → `<id>`. */
function publicKeyId(id: string): string {
  return id.startsWith('key_') ? id.slice('key_'.length) : id
}
