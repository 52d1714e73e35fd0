import type { KeyStatus } from '#db/schema/keys'
import type { Key } from './repository'

const DAY_MS = 86_400_000

/** The edge refuses a key from its expiry on; the job that writes that down comes a little later. */
export function statusAt({ status, expiresAt }: Key, now: Date): KeyStatus {
  const ends = status === 'active' || status === 'failed_sync' || status === 'rotating'
  return ends && expiresAt && expiresAt <= now ? 'expired' : status
}

export function view(key: Key, now: Date) {
  const { id, subscriptionId, apiId, name, lastFour, rotateAfterDays, predecessorId } = key
  return {
    ...{ id, subscriptionId, apiId, name, lastFour, rotateAfterDays, predecessorId },
    status: statusAt(key, now),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    operations: key.scope?.operations ?? [],
    addresses: key.scope?.addresses ?? [],
    rotationDueAt:
      rotateAfterDays === null || key.status !== 'active'
        ? null
        : new Date(key.createdAt.getTime() + rotateAfterDays * DAY_MS).toISOString(),
    revokedAt: key.revokedAt?.toISOString() ?? null,
    createdAt: key.createdAt.toISOString(),
  }
}
