import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import { publish } from '#infra/queue'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { type Id, parseId } from '#lib/id'
import type { Coordinator } from '#modules/gateway'
import { WrongKeyStatus } from './errors'
import { keyRotated } from './events'
import { type MadeKey, makeKey } from './issue'
import type { Key } from './repository'
import * as keys from './repository'
import type { KeyService } from './service'

const ROTATED = 'api-key.rotated'
const REGENERATED = 'api-key.regenerated'
const DAY_MS = 86_400_000

/**
 * Makes successors. While the gateway takes the new key the old one works and is `rotating`; then
 * it has its grace, or is revoked. On a failed push nothing has changed: nobody has seen the new key.
 */
export class KeyRotation {
  constructor(
    private readonly clock: Clock,
    private readonly coordinator: Coordinator,
    private readonly service: KeyService,
  ) {
    const rollBack = (tx: Db, subjectId: string, undo: Record<string, unknown>, at: Date) =>
      undoRotation(tx, keyId(subjectId), undo, at)
    coordinator.register(ROTATED, {
      commit: (tx, subjectId, at) => finishRotation(tx, keyId(subjectId), at),
      rollBack,
    })
    coordinator.register(REGENERATED, {
      commit: async (tx, subjectId, at) => {
        const change = { status: 'revoked' as const, revokedAt: at, expiresAt: at }
        await keys.changeKeys(tx, { ids: [keyId(subjectId)] }, ['rotating'], change)
        await finishRotation(tx, keyId(subjectId), at)
      },
      rollBack,
    })
  }

  /**
   * Makes a successor with the same name and limits; the old key works for so many days yet.
   * @throws WrongKeyStatus for a key that is not active, such as one that has a successor already
   */
  async rotate(actor: Actor, id: string, graceDays: number) {
    const earlier = await this.coordinator.resume<MadeKey>()
    const isDone = earlier?.state === 'committed'
    const made = isDone ? earlier.prepared : await this.succeed(actor, id, graceDays)
    return { ...(await this.service.get(actor, made.id)), key: made.key }
  }

  private async succeed(actor: Actor, id: string, graceDays: number): Promise<MadeKey> {
    const old = await this.service.in(['active'], actor, id)
    const { name, subscriptionId, apiId, expiresAt, scope, rotateAfterDays } = old
    const { row, key } = makeKey(this.clock, {
      ...{ name, subscriptionId, apiId, expiresAt, scope, rotateAfterDays },
      predecessorId: old.id,
    })
    const kind = graceDays === 0 ? REGENERATED : ROTATED
    return this.coordinator.run({
      ...{ kind, subjectId: old.id, apiId },
      undo: { expiresAt: expiresAt?.toISOString() ?? null },
      prepare: async (tx) => {
        await this.begin(tx, old, graceDays)
        await keys.insertKey(tx, row)
        const details = { successorId: row.id, graceDays }
        const at = this.clock.now()
        await recordAudit(tx, {
          ...{ actorId: actor.userId, action: kind, subjectId: old.id },
          ...{ details, at },
        })
        return { id: row.id, key }
      },
    })
  }

  private async begin(tx: Db, { id, expiresAt }: Key, graceDays: number): Promise<void> {
    const now = this.clock.now()
    const graceEnds = new Date(now.getTime() + graceDays * DAY_MS)
    const endsEarlier = expiresAt !== null && expiresAt < graceEnds
    const change = {
      ...{ status: 'rotating' as const, rotatedAt: now, updatedAt: now },
      // Without grace it works until the gateway has its successor.
      expiresAt: graceDays === 0 || endsEarlier ? expiresAt : graceEnds,
    }
    const changed = await keys.changeKeys(tx, { ids: [id] }, ['active'], change)
    if (changed.length === 0) throw new WrongKeyStatus(id, 'rotating', ['active'])
  }
}

const keyId = (subjectId: string) => invariant(parseId('key', subjectId), subjectId)

async function finishRotation(tx: Db, id: Id<'key'>, at: Date): Promise<void> {
  const successorId = invariant(await keys.findSuccessor(tx, id), `successor of ${id}`)
  const change = { status: 'active' as const, updatedAt: at }
  await keys.changeKeys(tx, { ids: [successorId] }, ['pending'], change)
  const endsAt = (await keys.expiryOf(tx, id)) ?? at
  const payload = { keyId: id, successorId, endsAt: endsAt.toISOString(), at: at.toISOString() }
  await publish(tx, keyRotated, payload, { orderingKey: id })
}

async function undoRotation(
  tx: Db,
  id: Id<'key'>,
  undo: Record<string, unknown>,
  at: Date,
): Promise<void> {
  await keys.unmakeSuccessor(tx, id)
  const expiresAt = typeof undo.expiresAt === 'string' ? new Date(undo.expiresAt) : null
  const change = { status: 'active' as const, rotatedAt: null, expiresAt, updatedAt: at }
  await keys.changeKeys(tx, { ids: [id] }, ['rotating'], change)
}
