import type { Container } from '#app/container'
import type { Actor } from '#lib/access'

/** Every kind of change that the gateway must know. */
export const OPERATIONS = [
  'publish',
  'unpublish',
  'delete',
  'update',
  'create-key',
  'rotate-key',
  'revoke-key',
] as const
export type Operation = (typeof OPERATIONS)[number]

/** What an operation works on: `id` is that of the API, of the subscription of the new key, or of the key. */
export interface Subject {
  id: string
  actorId: Actor['userId']
}

/** What a user sees of it. */
export interface Shown {
  id?: string
  key?: string
  status?: string
}

export async function perform(
  { catalog, keys, keyRotation }: Container,
  operation: Operation,
  { id, actorId }: Subject,
): Promise<Shown> {
  const actor: Actor = { userId: actorId, sessionId: 'ses_0', roles: ['provider', 'consumer'] }
  const operations = {
    publish: () => catalog.publish(actor, id),
    unpublish: () => catalog.unpublish(actor, id),
    delete: () => catalog.delete(actor, id),
    update: async () => {
      const { version } = await catalog.get(actor, id)
      return catalog.update(actor, id, version, { methods: ['GET', 'POST'] })
    },
    'create-key': () => keys.create(actor, { subscriptionId: id, name: 'new' }),
    'rotate-key': () => keyRotation.rotate(actor, id, 7),
    'revoke-key': () => keys.revoke(actor, id),
  }
  return (await operations[operation]()) ?? {}
}
