/** Who may do what. Routes ask for a permission; roles are only bundles of permissions. */
const CONSUMER = [
  'account:manage',
  'marketplace:subscribe',
  'subscriptions:read',
  'subscriptions:manage',
  'keys:read',
  'keys:manage',
  'usage:read',
  'billing:read',
  'billing:manage',
  'payments:read',
  'payments:manage',
  'webhooks:read',
  'webhooks:manage',
] as const
const PROVIDER = [
  'account:manage',
  'catalog:read',
  'catalog:write',
  'catalog:publish',
  'billing:read',
  'webhooks:read',
  'webhooks:manage',
] as const
const ADMIN = [
  'account:manage',
  'billing:audit',
  'billing:settle',
  'billing:refund',
  'payments:read',
  'billing:correct',
  'categories:write',
  'catalog:moderate',
  'gateways:manage',
  'jobs:manage',
  'mails:read',
  'queue:read',
  'queue:manage',
  'promotions:manage',
  'sandbox:manage',
  'usage:audit',
] as const

export const PERMISSIONS_OF_ROLE = {
  consumer: CONSUMER,
  provider: PROVIDER,
  admin: ADMIN,
} as const satisfies Record<string, readonly string[]>

export type Role = keyof typeof PERMISSIONS_OF_ROLE
export const ROLES = Object.keys(PERMISSIONS_OF_ROLE) as Role[]

export type Permission = (typeof PERMISSIONS_OF_ROLE)[Role][number]

/** What a route must state: a permission, or openly that it needs none. */
export type Access = Permission | 'public' | 'gateway'

/** The caller of an authenticated route. */
export interface Actor {
  userId: `usr_${string}`
  sessionId: `ses_${string}`
  roles: Role[]
}

export function hasPermission(roles: readonly Role[], permission: Permission): boolean {
  return roles.some(
    (role) =>
      // Roles come from the database; one that this release does not know permits nothing.
      Object.hasOwn(PERMISSIONS_OF_ROLE, role) &&
      (PERMISSIONS_OF_ROLE[role] as readonly string[]).includes(permission),
  )
}
