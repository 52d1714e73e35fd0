import type { RouteGroup } from '#infra/http'
import type { Access, Actor } from '#lib/access'
import type { Id } from '#lib/id'
import type { FirstAdmin, FirstAdminInput } from './first-admin'
import { identityRoutes, jwksRoutes } from './routes'
import { type IdentityOptions, IdentityService } from './service'

export type { FirstAdmin, FirstAdminInput } from './first-admin'
export type { PasswordCost } from './password'
export type { IdentityOptions } from './service'

/** What the rest of the house sees of this module. */
export interface Identity {
  routes: RouteGroup[]
  /**
   * Checks the caller against what a route states.
   * @returns the caller, or null where nobody in particular is calling
   * @throws NotAuthenticated (401), AccountNotActive and PermissionMissing (403)
   */
  authorize: (request: Request, access: Access) => Promise<Actor | null>
  /**
   * Makes an admin if there is none. Safe to repeat, and in several replicas at once.
   * @throws FirstAdminEmailTaken
   */
  ensureFirstAdmin: (input: FirstAdminInput) => Promise<FirstAdmin>
  /** Signs with a new key from now on; tokens of the old one stay good until they expire. */
  rotateSigningKey: () => Promise<{ kid: string }>
  /** To be called after the commit of a change of roles or status, which then holds here at once. */
  forgetUser: (userId: Id<'usr'>) => void
}

export function createIdentity(options: IdentityOptions): Identity {
  const service = new IdentityService(options)
  return {
    routes: [identityRoutes(service), jwksRoutes(service)],
    authorize: (request, access) => service.authorize(request, access),
    ensureFirstAdmin: (input) => service.ensureFirstAdmin(input),
    rotateSigningKey: () => service.rotateSigningKey(),
    forgetUser: (userId) => service.forgetUser(userId),
  }
}
