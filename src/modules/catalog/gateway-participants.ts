import type { Db } from '#db/client'
import { invariant } from '#lib/errors'
import { type Id, parseId } from '#lib/id'
import type { Coordinator, Participant } from '#modules/gateway'
import * as catalog from './repository'

export const API_PUBLISH = 'api.published'
export const API_UNPUBLISH = 'api.unpublished'
export const API_UPDATE = 'api.updated'
export const API_DELETE = 'api.deleted'

const apiId = (subjectId: string): Id<'api'> => invariant(parseId('api', subjectId), subjectId)

const backTo =
  (status: 'draft' | 'published'): Participant['rollBack'] =>
  (db, subjectId, _undo, at) =>
    catalog.setStatus(db, apiId(subjectId), { status, updatedAt: at })

const publish: Participant = {
  commit: (db, subjectId, at) =>
    catalog.setStatus(db, apiId(subjectId), {
      status: 'published',
      publishedAt: at,
      updatedAt: at,
    }),
  rollBack: backTo('draft'),
}

const unpublish: Participant = {
  commit: (db, subjectId, at) =>
    catalog.setStatus(db, apiId(subjectId), { status: 'draft', publishedAt: null, updatedAt: at }),
  rollBack: backTo('published'),
}

const remove: Participant = {
  commit: (db, subjectId) => catalog.deleteApi(db, apiId(subjectId)),
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
  coordinator.register(API_UNPUBLISH, unpublish)
  coordinator.register(API_UPDATE, update)
  coordinator.register(API_DELETE, remove)
}
