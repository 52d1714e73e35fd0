import type { Database } from '#db/client'
import { createHttpApp, IdempotencyStore, NotAuthenticated, PermissionMissing } from '#infra/http'
import { createLogger } from '#infra/logger'
import type { Access, Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import { createSealer } from '#lib/sealing'
import { CompletenessService, completenessRoutes, UsageService, usageRoutes } from '#modules/usage'

export const TOKEN = 'a-machine-token-of-at-least-32-characters'

export type UsageApi = ReturnType<typeof startUsageApi>

/** The usage routes behind the real HTTP app; `Bearer usr_…` is the sign-in of these tests. */
export function startUsageApi(database: Database, clock: Clock, backlogLimit = 1_000_000) {
  const service = new UsageService(database, clock, backlogLimit)
  const authorize = async (request: Request, access: Access): Promise<Actor | null> => {
    const token = request.headers.get('authorization')?.replace(/^Bearer /, '')
    if (access === 'public') return null
    if (!token) throw new NotAuthenticated('token_missing')
    if (access === 'gateway') {
      if (token !== TOKEN) throw new NotAuthenticated('token_invalid')
      return null
    }
    if (access !== 'usage:read') throw new PermissionMissing(access)
    return { userId: token as Id<'usr'>, sessionId: 'ses_test', roles: ['consumer'] }
  }
  const app = createHttpApp({
    groups: [usageRoutes(service), completenessRoutes(new CompletenessService(database, clock))],
    authorize,
    idempotency: new IdempotencyStore(database.db, createSealer('s'.repeat(32), 'answers'), clock),
    logger: createLogger('silent'),
    clock,
    info: { title: 'Usage', version: '0', description: 'test' },
  })
  const ask = (path: string, init: RequestInit) =>
    app.handle(new Request(`http://localhost${path}`, init))
  return {
    service,
    app,
    get: (path: string, userId: Id<'usr'>) =>
      ask(path, { headers: { authorization: `Bearer ${userId}` } }),
    /** The body as it is, packed or broken. */
    send: (body: Uint8Array, headers: Record<string, string> = {}) =>
      ask('/usage/events', {
        method: 'POST',
        headers: {
          ...{ authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
          ...headers,
        },
        body: new Uint8Array(body),
      }),
    post: (
      events: unknown[],
      headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` },
    ) =>
      ask('/usage/events', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ events }),
      }),
  }
}
