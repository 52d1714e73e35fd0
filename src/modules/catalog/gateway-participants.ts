import type { Db } from '#db/client'
import { publish as publishEvent } from '#infra/queue'
import { invariant } from '#lib/errors'
import { type Id, parseId } from '#lib/id'
import type { Coordinator, Participant } from '#modules/gateway'
import { apiPublished, apiRemoved } from './events'
import * as catalog from './repository'

export const API_PUBLISH = 'api.published'
export const API_UNPUBLISH = 'api.unpublished'
export const API_UPDATE = 'api.updated'
export const API_DELETE = 'api.deleted'
export const API_TAKEDOWN = 'api.taken-down'

const apiId = (subjectId: string): Id<'api'> => invariant(parseId('api', subjectId), subjectId)

const backTo =
  (status: 'draft' | 'published'): Participant['rollBack'] =>
  (db, subjectId, _undo, at) =>
    catalog.setStatus(db, apiId(subjectId), { status, updatedAt: at })

/** Tells of an API what its row says now. */
async function tell(
  db: Db,
  event: typeof apiPublished,
  subjectId: string,
  at: Date,
): Promise<void> {
  const api = invariant(await catalog.findApi(db, apiId(subjectId)), subjectId)
  const { id, ownerId, slug, name } = api
  const payload = { apiId: id, ownerId, slug, name, at: at.toISOString() }
  await publishEvent(db, event, payload, { orderingKey: id })
}

const publish: Participant = {
  commit: async (db, subjectId, at) => {
    const set = { status: 'published', publishedAt: at, updatedAt: at } as const
    await catalog.setStatus(db, apiId(subjectId), set)
    await tell(db, apiPublished, subjectId, at)
  },
  rollBack: backTo('draft'),
}

const offline = (status: 'draft' | 'taken_down'): Participant => ({
  commit: async (db, subjectId, at) => {
    const set = { status, publishedAt: null, updatedAt: at }
    await catalog.setStatus(db, apiId(subjectId), set)
    await tell(db, apiRemoved, subjectId, at)
  },
  rollBack: backTo('published'),
})

const remove: Participant = {
  commit: async (db, subjectId, at) => {
    await tell(db, apiRemoved, subjectId, at)
    await catalog.deleteApi(db, apiId(subjectId))
  },
  rollBack: backTo('published'),
}

interface Undo {
  set: Parameters<typeof catalog.updateApi>[3]
  parts: catalog.ApiParts
}

const update: Participant = {
  // The rows have the new values since `prepare`.
  commit: () => Promise.resolve(),
  rollBack: async (db: Db, subjectId, undo, at) => {
    const { set, parts } = undo as unknown as Undo
    const id = apiId(subjectId)
    const api = invariant(await catalog.findApi(db, id), subjectId)
    await catalog.updateApi(db, id, { version: api.version }, { ...set, updatedAt: at }, parts)
  },
}

/** The catalog's part in the two-phase commit. */
export function registerCatalog(coordinator: Coordinator): void {
  coordinator.register(API_PUBLISH, publish)
  coordinator.register(API_UNPUBLISH, offline('draft'))
  coordinator.register(API_TAKEDOWN, offline('taken_down'))
  coordinator.register(API_UPDATE, update)
  coordinator.register(API_DELETE, remove)
}
