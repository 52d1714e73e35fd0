import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHttpApp, type HttpAppOptions, RouteGroup } from '#infra/http'
import { hasPermission, type Permission, ROLES, type Role } from '#lib/access'
import { type TestUser, TestVeil } from '#test/veil'

const MACHINE = 't'.repeat(32)

interface MountedRoute {
  method: string
  path: string
  permission: string
}

let veil: TestVeil
let routes: MountedRoute[]
const users = {} as Record<Role, TestUser>

beforeAll(async () => {
  veil = await TestVeil.start()
  users.consumer = await veil.user('consumer')
  users.provider = await veil.user('provider')
  users.admin = await veil.admin()
  const { paths } = await veil.expectOk('GET', '/swagger/json')
  routes = Object.entries<Record<string, { 'x-permission': string }>>(paths).flatMap(
    ([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: path.replaceAll(/\{[^}]+\}/g, 'x'),
        permission: operation['x-permission'],
      })),
  )
})
afterAll(() => veil.stop())

/** No body: whoever may call is told so (422, 404 …) without anything being done. */
const ask = ({ method, path }: MountedRoute, token?: string) =>
  veil.request(method, path, { token })
const name = ({ method, path }: MountedRoute) => `${method} ${path}`
const WRITES_WITHOUT_INPUT = ['POST /auth/logout']

test('every mounted route is documented with its permission', () => {
  const documented = routes.map(name)
  expect(new Set(documented).size).toBe(documented.length)
  expect(documented.length).toBeGreaterThanOrEqual(40)
  for (const route of routes) {
    const { permission } = route
    const known = permission === 'public' || permission === 'gateway'
    const held = known || hasPermission(ROLES, permission as Permission)
    expect({ route: name(route), held }).toMatchObject({ held: true })
  }
})

test('without a token everything but public routes is 401, as a problem, whatever the body', async () => {
  for (const route of routes) {
    for (const body of [undefined, '{bad', '{}']) {
      if (body !== undefined && route.method === 'GET') continue
      const response = await fetch(`${veil.url}${route.path}`, {
        method: route.method,
        ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
      })
      const where = { route: name(route), body }
      if (route.permission === 'public') {
        const problem: any = await response.json()
        const refused = response.status === 401 && String(problem.code).startsWith('token_')
        expect({ ...where, refused }).toEqual({ ...where, refused: false })
        continue
      }
      expect({ ...where, status: response.status }).toEqual({ ...where, status: 401 })
      expect(response.headers.get('content-type')).toBe('application/problem+json')
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
      expect(await response.json()).toMatchObject({ status: 401, code: 'token_missing' })
    }
  }
})

test.each(ROLES)('%s gets exactly what the role permits', async (role) => {
  for (const route of routes) {
    if (WRITES_WITHOUT_INPUT.includes(name(route))) continue
    const { permission } = route
    if (permission === 'public' || permission === 'gateway') continue
    const { status, body } = await ask(route, users[role].token)
    const permitted = hasPermission([role], permission as Permission)
    const where = { route: name(route), role }
    if (permitted)
      expect({ ...where, refused: [401, 403].includes(status) }).toEqual({
        ...where,
        refused: false,
      })
    else
      expect({ ...where, status, code: body.code }).toEqual({
        ...where,
        status: 403,
        code: 'permission_missing',
      })
    expect(status).toBeLessThan(500)
  }
})

test('routes of gateways take a machine token, and no user', async () => {
  const machine = routes.filter(({ permission }) => permission === 'gateway')
  expect(machine.length).toBeGreaterThan(0)
  for (const route of machine) {
    for (const role of ROLES) expect((await ask(route, users[role].token)).status).toBe(401)
    expect((await ask(route, `${MACHINE}x`)).status).toBe(401)
    expect([401, 403]).not.toContain((await ask(route, MACHINE)).status)
  }
})

test('a machine token is no user', async () => {
  for (const route of routes) {
    if (['public', 'gateway'].includes(route.permission)) continue
    expect({ route: name(route), status: (await ask(route, MACHINE)).status }).toMatchObject({
      status: 401,
    })
  }
})

describe('what the roles mean', () => {
  const of = (prefix: string, methods?: string[]) =>
    routes.filter(
      ({ path, method }) => path.startsWith(prefix) && (methods?.includes(method) ?? true),
    )
  const may = (role: Role, route: MountedRoute) =>
    route.permission !== 'public' && hasPermission([role], route.permission as Permission)

  test.each<[Role, string, string[] | undefined, boolean]>([
    ['consumer', '/provider', undefined, false],
    ['admin', '/provider', undefined, false],
    ['provider', '/provider', undefined, true],
    ['provider', '/subscriptions', undefined, false],
    ['provider', '/api-keys', undefined, false],
    ['provider', '/quota', undefined, false],
    ['provider', '/marketplace', ['POST'], false],
    ['consumer', '/subscriptions', undefined, true],
    ['consumer', '/api-keys', undefined, true],
    ['consumer', '/marketplace', ['POST'], true],
    ['consumer', '/categories', ['POST', 'PUT', 'DELETE'], false],
    ['provider', '/categories', ['POST', 'PUT', 'DELETE'], false],
    ['admin', '/categories', ['POST', 'PUT', 'DELETE'], true],
    ['admin', '/api-keys', undefined, false],
    ['admin', '/subscriptions', undefined, false],
  ])('%s %s %j: %s', (role, prefix, methods, expected) => {
    const chosen = of(prefix, methods)
    expect(chosen.length).toBeGreaterThan(0)
    for (const route of chosen)
      expect({ ...route, may: may(role, route) }).toMatchObject({ may: expected })
  })

  test('nobody is made an admin by registering', async () => {
    const body = {
      email: 'root@example.com',
      password: 'x'.repeat(12),
      name: 'Root',
      roles: ['admin'],
    }
    expect((await veil.request('POST', '/auth/register', { body })).status).toBe(422)
  })
})

describe('a route without a permission', () => {
  const options = (group: RouteGroup) => ({ groups: [group] }) as unknown as HttpAppOptions

  test.each([undefined, null, '', 0])('does not start when it is %j', (permission) => {
    const spec = { permission, summary: 'Open by accident' } as never
    const group = new RouteGroup('/open', 'Open').get('', spec, () => ({}))
    expect(() => createHttpApp(options(group))).toThrow('route GET /open states no permission')
  })

  test('does not compile', () => {
    const group = new RouteGroup('/open', 'Open')
    // @ts-expect-error the permission is missing
    group.get('', { summary: 'Open by accident' }, () => ({}))
    // @ts-expect-error there is no such permission
    group.get('', { permission: 'everything', summary: 'Open by accident' }, () => ({}))
    expect(group.routes).toHaveLength(2)
  })
})
