import type { Db } from '#db/client'
import { KEY_STATUSES, type KeyStatus } from '#db/schema/keys'
import { recordAudit } from '#infra/audit'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { parseId } from '#lib/id'
import { type PageRequest, toPage } from '#lib/page'
import { type Coordinator, GatewayFailure } from '#modules/gateway'
import type { SubscriptionService } from '#modules/subscriptions'
import { KeyUnknown, WrongKeyStatus } from './errors'
import { keyCreated, keyRevoked } from './events'
import { type MadeKey, makeKey } from './issue'
import { limitsOf } from './limits'
import type { Key } from './repository'
import * as keys from './repository'
import type { KeyChange, KeyInput } from './schemas'
import { statusAt, view } from './views'

const CREATED = 'api-key.created'
const RESYNCED = 'api-key.resynced'
const REVOKED = 'api-key.revoked'
const REVOCABLE = KEY_STATUSES.filter((status) => status !== 'revoked')
const CHANGEABLE: KeyStatus[] = ['active', 'failed_sync']
const OVER: KeyStatus[] = ['revoked', 'expired']

export class KeyService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly coordinator: Coordinator,
    private readonly subscriptions: SubscriptionService,
  ) {
    const become =
      (status: 'active' | 'failed_sync', from: KeyStatus) =>
      async (tx: Db, subjectId: string, at: Date) => {
        const ids = [invariant(parseId('key', subjectId), subjectId)]
        await keys.changeKeys(tx, { ids }, [from], { status, updatedAt: at })
      }
    const keep = () => Promise.resolve()
    coordinator.register(CREATED, {
      commit: become('active', 'pending'),
      // The key was shown: it is kept, and works as soon as the gateway is back.
      rollBack: (tx, subjectId, _undo, at) => become('failed_sync', 'pending')(tx, subjectId, at),
    })
    coordinator.register(RESYNCED, { commit: become('active', 'failed_sync'), rollBack: keep })
    // A revocation is never taken back: the edge refuses the key whatever the gateway lists.
    coordinator.register(REVOKED, { commit: keep, rollBack: keep })
  }

  async create(actor: Actor, input: KeyInput) {
    // Made is made, also where the gateway did not take it: a retry must not make another.
    const earlier = await this.coordinator.resume<MadeKey>()
    const made = earlier?.prepared ?? (await this.make(actor, input))
    return { ...(await this.get(actor, made.id)), key: made.key }
  }

  private async make(actor: Actor, { subscriptionId, name, ...input }: KeyInput): Promise<MadeKey> {
    const { id, api } = await this.subscriptions.own(actor, subscriptionId)
    const limits = limitsOf(input, this.clock.now())
    const of = { subscriptionId: id, apiId: api.id, name }
    const { row, key } = makeKey(this.clock, { ...of, ...limits })
    const made = { id: row.id, key }
    await this.throughGateway(CREATED, row, async (tx) => {
      await this.subscriptions.holdLive(tx, { id })
      await keys.insertKey(tx, row)
      await this.audit(tx, actor, CREATED, row.id)
      // Not after the push: the key was made and shown whatever becomes of that.
      const at = row.createdAt.toISOString()
      const payload = { keyId: row.id, isFirst: false, at }
      await publish(tx, keyCreated, payload, { orderingKey: row.id })
      return made
    })
    return made
  }

  /** In force at the edge within a second; the gateway has nothing to do with it. */
  async change(actor: Actor, id: string, { name, ...input }: KeyChange) {
    const key = await this.in(CHANGEABLE, actor, id)
    const now = this.clock.now()
    const limits = limitsOf(input, now)
    const isSameDue = limits.rotateAfterDays === key.rotateAfterDays
    const reminded = isSameDue ? {} : { rotationRemindedAt: null }
    await this.db.transaction(async (tx) => {
      const change = { name, ...limits, ...reminded, updatedAt: now }
      const changed = await keys.changeKeys(tx, { ids: [key.id] }, CHANGEABLE, change)
      if (changed.length === 0) {
        const { status } = await this.own(actor, id)
        throw new WrongKeyStatus(id, status, CHANGEABLE)
      }
      await this.audit(tx, actor, 'api-key.changed', key.id, { name, ...input })
    })
    return this.get(actor, key.id)
  }

  /** Refused from now on; asking again changes nothing. */
  async revoke(actor: Actor, id: string) {
    const key = await this.own(actor, id)
    if (key.status !== 'revoked')
      await this.throughGateway(REVOKED, key, async (tx) => {
        const now = this.clock.now()
        const change = { status: 'revoked' as const, revokedAt: now, updatedAt: now }
        // Whatever it has become meanwhile, say by a push that went through at last.
        const changed = await keys.changeKeys(tx, { ids: [key.id] }, REVOCABLE, change)
        if (changed.length === 0) return
        await this.audit(tx, actor, REVOKED, key.id)
        const payload = { keyId: key.id, at: now.toISOString() }
        await publish(tx, keyRevoked, payload, { orderingKey: key.id })
      })
    return this.get(actor, key.id)
  }

  /** Brings a key to the gateway that was away when it was made; throws when it still is. */
  async resync(actor: Actor, id: string) {
    const key = await this.in(CHANGEABLE, actor, id)
    if (key.status === 'failed_sync')
      await this.coordinator.run({
        ...{ kind: RESYNCED, subjectId: key.id, apiId: key.apiId },
        prepare: (tx) => this.audit(tx, actor, RESYNCED, key.id),
      })
    return this.get(actor, key.id)
  }

  /** Takes a key that is over out of its owner's sight; the audit and the ledger keep it. */
  async delete(actor: Actor, id: string): Promise<void> {
    const key = await this.in(OVER, actor, id)
    const now = this.clock.now()
    await this.db.transaction(async (tx) => {
      const change = { status: statusAt(key, now), deletedAt: now, updatedAt: now }
      await keys.changeKeys(tx, { ids: [key.id] }, [key.status], change)
      await this.audit(tx, actor, 'api-key.deleted', key.id)
    })
  }

  /** A key's change stands even while the gateway is away: it is brought there when it is back. */
  private async throughGateway(
    kind: string,
    { id: subjectId, apiId }: Pick<Key, 'id' | 'apiId'>,
    prepare: (tx: Db) => Promise<unknown>,
  ): Promise<void> {
    try {
      await this.coordinator.run({ kind, subjectId, apiId, prepare })
    } catch (error) {
      if (!(error instanceof GatewayFailure)) throw error
    }
  }

  async list(actor: Actor, subscriptionId: string | undefined, page: PageRequest) {
    const of = subscriptionId && (await this.subscriptions.own(actor, subscriptionId))
    const rows = await keys.listKeys(this.db, actor.userId, of ? of.id : null, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    const now = this.clock.now()
    return { items: items.map((key) => view(key, now)), nextCursor }
  }

  async get(actor: Actor, id: string) {
    return view(await this.own(actor, id), this.clock.now())
  }

  /** The key by its id, if it belongs to a subscription of the actor's. */
  async own(actor: Actor, id: string): Promise<Key> {
    const known = parseId('key', id)
    const key = known && (await keys.findKey(this.db, actor.userId, known))
    if (!key) throw new KeyUnknown(id)
    return key
  }

  /**
   * The key, if it is in one of these states now.
   * @throws WrongKeyStatus
   */
  async in(statuses: readonly KeyStatus[], actor: Actor, id: string): Promise<Key> {
    const key = await this.own(actor, id)
    const status = statusAt(key, this.clock.now())
    if (!statuses.includes(status)) throw new WrongKeyStatus(id, status, statuses)
    return key
  }

  /**
   * For after a push that everyone took: keys whose own push had failed are at the gateway now.
   * Called with what was failed *before* that push.
   */
  async activateSynced(ids: Key['id'][]): Promise<number> {
    if (ids.length === 0) return 0
    const change = { status: 'active' as const, updatedAt: this.clock.now() }
    return (await keys.changeKeys(this.db, { ids }, ['failed_sync'], change)).length
  }

  failedSync(): Promise<Key['id'][]> {
    return keys.idsWithStatus(this.db, 'failed_sync')
  }

  private audit(
    tx: Db,
    actor: Actor,
    action: `api-key.${string}`,
    subjectId: string,
    details: Record<string, unknown> = {},
  ) {
    const at = this.clock.now()
    return recordAudit(tx, { actorId: actor.userId, action, subjectId, details, at })
  }
}
