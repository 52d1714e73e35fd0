import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anApi, EDGE_CERTIFICATE, testKeyId } from '#test/gateway'
import type { CaddyRoute } from '../../../src/modules/gateway/config-types'
import {
  type DesiredApi,
  type DesiredGateway,
  renderServer,
  revisionOf,
  UnrenderableApi,
} from '../../../src/modules/gateway/desired'
import { MAX_CHILDREN, prefixTree } from '../../../src/modules/gateway/tree'

const leavesOf = (slugs: string[]) =>
  slugs.map((slug) => ({ slug, route: { handle: [{ handler: 'leaf', slug }] } }))
const slug = fc.stringMatching(/^[ab0][ab0-]{0,5}$/)
const CHARACTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789-']
/** A slug and more others that begin with it than a node holds, so that branches share a route. */
const family = fc
  .tuple(slug, fc.subarray(CHARACTERS, { minLength: 17 }))
  .map(([first, ends]) => [first, ...ends.map((end) => `${first}${end}`)])
/** Few characters, for depth; or families among them, for width. */
const slugs = fc
  .tuple(fc.uniqueArray(slug, { maxLength: 200 }), fc.array(family, { maxLength: 2 }))
  .map(([some, families]) => [...new Set([...some, ...families.flat()])])

/** What Caddy does: of a group the first route that matches runs; a subroute falls through. */
function find(routes: CaddyRoute[], path: string): string | null {
  const route = routes.find((one) => pathsOf(one).some((pattern) => matches(pattern, path)))
  const [handler] = route?.handle ?? []
  if (!handler) return null
  if (handler.handler === 'leaf') return handler.slug as string
  return find(handler.routes as CaddyRoute[], path)
}
const pathsOf = (route: CaddyRoute) => (route.match?.[0]?.path ?? []) as string[]
const matches = (pattern: string, path: string) =>
  pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern

function nodes(routes: CaddyRoute[]): CaddyRoute[][] {
  const below = routes.flatMap((route) =>
    route.handle[0]?.handler === 'subroute' ? [route.handle[0].routes as CaddyRoute[]] : [],
  )
  return [routes, ...below.flatMap(nodes)]
}
const depth = (routes: CaddyRoute[]): number =>
  1 +
  Math.max(
    0,
    ...routes.flatMap((route) =>
      route.handle[0]?.routes ? [depth(route.handle[0].routes as CaddyRoute[])] : [],
    ),
  )

describe('prefixTree', () => {
  test('every slug reaches its own leaf, and nothing else reaches one', () => {
    fc.assert(
      fc.property(slugs, slug, (all, stranger) => {
        const tree = prefixTree(leavesOf(all))
        for (const one of all) {
          expect(find(tree, `/${one}`)).toBe(one)
          expect(find(tree, `/${one}/x`)).toBe(one)
        }
        expect(find(tree, `/${stranger}/x`)).toBe(all.includes(stranger) ? stranger : null)
      }),
    )
  })

  test.each([
    ['numbers', Array.from({ length: 30 }, (_, index) => `x${index + 1}`)],
    ['letters', [...'abcdefghijklmnopqrstuvwxyz0123456789-'].map((char) => `x${char}`)],
    ['one more each time', Array.from({ length: 40 }, (_, index) => `x${'y'.repeat(index + 1)}`)],
  ])('a slug that others begin with hides none of them: %s', (_name, longer) => {
    const all = ['x', ...longer]
    const tree = prefixTree(leavesOf(all))
    expect(all.map((one) => find(tree, `/${one}/z`))).toEqual(all)
  })

  test('a node has at most 16 routes and a group of its own', () => {
    fc.assert(
      fc.property(slugs, (all) => {
        const every = nodes(prefixTree(leavesOf(all)))
        for (const node of every) expect(node.length).toBeLessThanOrEqual(MAX_CHILDREN)
        const groups = every.map((node) => [...new Set(node.map((route) => route.group))])
        for (const group of groups) expect(group.length).toBeLessThanOrEqual(1)
        expect(new Set(groups.flat()).size).toBe(groups.flat().length)
      }),
    )
  })

  test('does not depend on the order', () => {
    fc.assert(
      fc.property(
        slugs.chain((all) =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
        ),
        ([all, shuffled]) => {
          expect(prefixTree(leavesOf(shuffled))).toEqual(prefixTree(leavesOf(all)))
        },
      ),
    )
  })

  test.each([
    ['0', 0, 1],
    ['16', 16, 1],
    ['17', 17, 2],
    ['5,000', 5_000, 5],
  ])('%s numbered slugs stay shallow', (_name, count, deepest) => {
    const all = Array.from({ length: count }, (_, index) => `acme-${index}`)
    expect(depth(prefixTree(leavesOf(all)))).toBeLessThanOrEqual(deepest)
  })
})

const desired = (part: Partial<DesiredGateway> = {}): DesiredGateway => ({
  listen: [':8080'],
  edgeDials: ['127.0.0.1:1'],
  edgeCertificate: EDGE_CERTIFICATE,
  keyHeader: 'X-API-Key',
  apis: [],
  ...part,
})
const render = (api: Partial<DesiredApi>) =>
  renderServer(desired({ apis: [anApi({ slug: 'a', ...api })] }))

describe('renderServer', () => {
  test('is the same whatever the order of the input', () => {
    const apis = ['b', 'a', 'ab'].map((name, index) =>
      anApi({
        slug: name,
        methods: ['POST', 'GET'],
        keyIds: [testKeyId(index), testKeyId(9)],
        requiredHeaders: [
          { name: 'X-B', value: null },
          { name: 'X-A', value: '1' },
        ],
      }),
    )
    const turned = apis.toReversed().map((api) => ({
      ...api,
      methods: api.methods.toReversed(),
      keyIds: api.keyIds.toReversed(),
      requiredHeaders: api.requiredHeaders.toReversed(),
    }))
    const dials = ['127.0.0.1:1', 'unix//run/edge']
    const one = renderServer(desired({ apis, edgeDials: dials }))
    const two = renderServer(desired({ apis: turned, edgeDials: dials.toReversed() }))
    expect(JSON.stringify(two)).toBe(JSON.stringify(one))
    expect(revisionOf(two)).toBe(revisionOf(one))
  })

  test.each([
    ['a slug with a slash', { slug: 'a/b' }],
    ['an upper case slug', { slug: 'A' }],
    ['a slug with a placeholder', { slug: '{env.HOME}' }],
    ['an upstream of another scheme', { upstreamUrl: 'ftp://h' }],
    ['an upstream with a query', { upstreamUrl: 'http://h/?a=b' }],
    ['an upstream with credentials', { upstreamUrl: 'http://u:p@h/' }],
    ['a method that is no token', { methods: ['GET, POST'] }],
    ['a header with a brace', { requiredHeaders: [{ name: 'X-{a}', value: null }] }],
    ['a key id with a wildcard', { keyIds: ['***********a'] }],
  ])('refuses %s', (_name, api) => {
    expect(() => render(api)).toThrow(UnrenderableApi)
  })

  test('refuses a slug twice', () => {
    const apis = [anApi({ slug: 'a' }), anApi({ slug: 'a', id: 'api_2' })]
    expect(() => renderServer(desired({ apis }))).toThrow(UnrenderableApi)
  })

  test('nothing of a provider can be expanded by Caddy', () => {
    const server = render({
      upstreamUrl: 'http://h/{env.HOME}',
      requiredHeaders: [{ name: 'X-A', value: '{env.HOME}' }],
    })
    expect(JSON.stringify(server)).not.toContain('env.HOME}')
  })
})

test('what comes back from Caddy has the revision of what was rendered, also of an API rendered before', () => {
  const apis = ['a', 'b'].map((name) => anApi({ slug: name, keyIds: [testKeyId(1)] }))
  const before = revisionOf(renderServer(desired({ apis })))
  const [first] = apis
  const changed = [anApi({ slug: 'a', keyIds: [testKeyId(2)] }), ...apis.slice(1)]
  for (const [now, isSame] of [
    [apis, true],
    [changed, false],
    [[...apis.slice(1), ...(first ? [{ ...first }] : [])], true],
  ] as const) {
    const server = renderServer(desired({ apis: [...now] }))
    expect(revisionOf(JSON.parse(JSON.stringify(server)))).toBe(revisionOf(server))
    expect(revisionOf(server) === before).toBe(isSame)
  }
})

test.each([
  ['keys in another order', { routes: [], listen: ['b'] }, true],
  ['another value', { listen: ['c'], routes: [] }, false],
  ['another order of a list', { listen: ['b'], routes: [{ handle: [] }] }, false],
])('revisionOf: %s', (_name, other, same) => {
  const revision = revisionOf({ listen: ['b'], routes: [] })
  expect(revision).toMatch(/^[0-9a-f]{64}$/)
  expect(revisionOf(other) === revision).toBe(same)
})
