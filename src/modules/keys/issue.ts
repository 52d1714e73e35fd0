import { randomBytes } from 'node:crypto'
import type { Db } from '#db/client'
import { KEY_STATUSES } from '#db/schema/keys'
import { publishMany } from '#infra/queue'
import { generateApiKey } from '#lib/api-key'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import type { SubscriptionKeys } from '#modules/subscriptions'
import { keyCreated } from './events'
import { type KeyLimits, NO_LIMITS } from './limits'
import * as keys from './repository'

interface NewKey extends KeyLimits {
  subscriptionId: Id<'sub'>
  apiId: Id<'api'>
  name: string
  predecessorId?: Id<'key'>
}

/** A key's id, and the key itself, which is shown once. */
export interface MadeKey {
  id: Id<'key'>
  key: string
}

/** A pending key: the row that is stored, and the only copy of the key itself. */
export function makeKey(clock: Clock, input: NewKey) {
  const { id: publicId, key, hash, lastFour } = generateApiKey(randomBytes)
  const now = clock.now()
  const row = {
    ...{ ...input, id: `key_${publicId}` as const, lastFour, secretHash: hash },
    ...{ status: 'pending' as const, createdAt: now, updatedAt: now },
  }
  return { row, key }
}

const LIVING = KEY_STATUSES.filter((status) => status !== 'revoked' && status !== 'expired')

/** The keys' part in the beginning and the end of a subscription. */
export const keysOfSubscriptions = (clock: Clock): SubscriptionKeys => ({
  issueFirst: async (db: Db, { id: subscriptionId, apiId }) => {
    const { row, key } = makeKey(clock, { subscriptionId, apiId, name: 'default', ...NO_LIMITS })
    await keys.insertKey(db, row)
    return { id: row.id, key }
  },
  activateAll: async (db, subscriptionId, at) => {
    const change = { status: 'active', updatedAt: at } as const
    const changed = await keys.changeKeys(db, { subscriptionId }, ['pending'], change)
    await publishMany(
      db,
      keyCreated,
      changed.map((keyId) => ({
        payload: { keyId, isFirst: true, at: at.toISOString() },
        orderingKey: keyId,
      })),
    )
  },
  revokeAll: async (db, subscriptionId, at) => {
    const change = { status: 'revoked', revokedAt: at, updatedAt: at } as const
    await keys.changeKeys(db, { subscriptionId }, LIVING, change)
  },
  deleteAll: keys.deleteKeysOf,
})
