import type { Db } from '#db/client'
import { KEY_STATUSES } from '#db/schema/keys'
import { recordAudit } from '#infra/audit'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { parseId } from '#lib/id'
import { type PageRequest, toPage } from '#lib/page'
import { type Coordinator, GatewayFailure } from '#modules/gateway'
import type { SubscriptionService } from '#modules/subscriptions'
import { KeyUnknown } from './errors'
import { keyCreated, keyRevoked } from './events'
import { makeKey } from './issue'
import type { Key } from './repository'
import * as keys from './repository'
import type { KeyInput } from './schemas'

const CREATED = 'api-key.created'
const REVOKED = 'api-key.revoked'
const REVOCABLE = KEY_STATUSES.filter((status) => status !== 'revoked')

export class KeyService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly coordinator: Coordinator,
    private readonly subscriptions: SubscriptionService,
  ) {
    const become =
      (status: 'active' | 'failed_sync') => async (tx: Db, subjectId: string, at: Date) => {
        const ids = [invariant(parseId('key', subjectId), subjectId)]
        await keys.changeKeys(tx, { ids }, ['pending'], { status, updatedAt: at })
      }
    coordinator.register(CREATED, {
      commit: become('active'),
      // The key was shown: it is kept, and works as soon as the gateway is back.
      rollBack: (tx, subjectId, _undo, at) => become('failed_sync')(tx, subjectId, at),
    })
    coordinator.register(REVOKED, {
      commit: () => Promise.resolve(),
      // A revocation is never taken back: the edge refuses the key whatever the gateway lists.
      rollBack: () => Promise.resolve(),
    })
  }

  async create(actor: Actor, { subscriptionId, name }: KeyInput) {
    const { id, api } = await this.subscriptions.own(actor, subscriptionId)
    const { row, key } = makeKey(this.clock, { id, apiId: api.id }, name)
    await this.throughGateway(CREATED, row, async (tx) => {
      await keys.insertKey(tx, row)
      await this.audit(tx, actor, CREATED, row.id)
      // Not after the push: the key was made and shown whatever becomes of that.
      const at = row.createdAt.toISOString()
      const payload = { keyId: row.id, isFirst: false, at }
      await publish(tx, keyCreated, payload, { orderingKey: row.id })
    })
    return { ...(await this.get(actor, row.id)), key }
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

  /** A key's change stands even while the gateway is away: it is brought there when it is back. */
  private async throughGateway(
    kind: string,
    { id: subjectId, apiId }: Pick<Key, 'id' | 'apiId'>,
    prepare: (tx: Db) => Promise<void>,
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
    return { items: items.map(view), nextCursor }
  }

  async get(actor: Actor, id: string) {
    return view(await this.own(actor, id))
  }

  /** The key by its id, if it belongs to a subscription of the actor's. */
  async own(actor: Actor, id: string): Promise<Key> {
    const known = parseId('key', id)
    const key = known && (await keys.findKey(this.db, actor.userId, known))
    if (!key) throw new KeyUnknown(id)
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

  private audit(tx: Db, actor: Actor, action: typeof CREATED | typeof REVOKED, subjectId: string) {
    return recordAudit(tx, { actorId: actor.userId, action, subjectId, at: this.clock.now() })
  }
}

function view(key: Key) {
  const { id, subscriptionId, apiId, name, lastFour, status } = key
  return {
    ...{ id, subscriptionId, apiId, name, lastFour, status },
    expiresAt: key.expiresAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
    createdAt: key.createdAt.toISOString(),
  }
}
