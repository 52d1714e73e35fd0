import { describe, expect, test } from 'vitest'
import { hasPermission, PERMISSIONS_OF_ROLE, type Permission, ROLES } from '#lib/access'

describe('access', () => {
  const all = [...new Set(Object.values(PERMISSIONS_OF_ROLE).flat())] as Permission[]

  test('no role, no permission; the union of several roles is theirs together', () => {
    for (const permission of all) {
      expect(hasPermission([], permission)).toBe(false)
      expect(hasPermission(ROLES, permission)).toBe(true)
    }
  })

  test.each<[keyof typeof PERMISSIONS_OF_ROLE, Permission, boolean]>([
    ['consumer', 'marketplace:subscribe', true],
    ['consumer', 'keys:manage', true],
    ['consumer', 'usage:read', true],
    ['consumer', 'catalog:read', false],
    ['consumer', 'catalog:write', false],
    ['consumer', 'catalog:publish', false],
    ['consumer', 'categories:write', false],
    ['provider', 'catalog:publish', true],
    ['provider', 'marketplace:subscribe', false],
    ['provider', 'subscriptions:read', false],
    ['provider', 'keys:read', false],
    ['provider', 'usage:read', false],
    ['provider', 'categories:write', false],
    ['admin', 'categories:write', true],
    ['admin', 'keys:read', false],
    ['admin', 'catalog:write', false],
  ])('%s %s: %s', (role, permission, expected) => {
    expect(hasPermission([role], permission)).toBe(expected)
  })

  test('a role that is none of ours has no permission, whatever it is called', () => {
    for (const role of ['root', '__proto__', 'constructor', 'toString'])
      expect(hasPermission([role as 'admin'], 'account:manage')).toBe(false)
  })
})
