import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

/** Enough to speak of an API that may be deleted by the time somebody reads it. */
const ApiNews = z.object({
  apiId: idSchema('api'),
  ownerId: idSchema('usr'),
  slug: z.string(),
  name: z.string(),
  at: z.iso.datetime(),
})

/** The gateway serves the API, and everybody may subscribe to it. */
export const apiPublished = defineEvent('api.published', ApiNews, { history: true })

/** The API has left the gateway and the marketplace: unpublished, or deleted. */
export const apiRemoved = defineEvent('api.removed', ApiNews, { history: true })
