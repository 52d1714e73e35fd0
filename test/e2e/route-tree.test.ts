import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rawExchange, startTestCaddy, type TestCaddy } from '#test/caddy'
import {
  anApi,
  desiredGateway,
  type Echo,
  pushDesired,
  type StandInEdge,
  startEchoUpstream,
  startStandInEdge,
  type TestServer,
  testKeyId,
} from '#test/gateway'

/** Many are prefixes of each other, and more than a node holds, so that the tree has depth. */
const SLUGS = [
  ...['a', 'ab', 'abc', 'a-b', 'a-', 'a--b', 'b', '0', '00', 'acme', 'acme-1', 'acme-10', 'acme-2'],
  ...Array.from({ length: 60 }, (_, index) => `acme-${index + 100}`),
  ...Array.from({ length: 20 }, (_, index) => 'z'.repeat(index + 1)),
  ...['x', ...[...'abcdefghijklmnopqrstuvwxyz0123456789-'].map((char) => `x${char}`)],
]
const KEY = `veil_${testKeyId(1)}_good`

let caddy: TestCaddy
let edge: StandInEdge
let upstream: TestServer
let other: TestServer

beforeAll(async () => {
  caddy = await startTestCaddy()
  edge = startStandInEdge()
  upstream = startEchoUpstream('even')
  other = startEchoUpstream('odd')
  const apis = SLUGS.map((slug, index) =>
    anApi({
      slug,
      keyIds: [testKeyId(1)],
      upstreamUrl: `http://127.0.0.1:${(index % 2 ? other : upstream).port}/base/${slug}$1`,
    }),
  )
  await pushDesired(caddy, desiredGateway(caddy, [edge.port], apis))
})
afterAll(async () => {
  await caddy.stop()
  await Promise.all([edge.stop(), upstream.stop(), other.stop()])
})

async function get(target: string): Promise<{ status: number; echo: Echo | null; body: string }> {
  const answer = await rawExchange(
    caddy.gatewayPort,
    `GET ${target} HTTP/1.1\r\nHost: g\r\nX-API-Key: ${KEY}\r\nConnection: close\r\n\r\n`,
  )
  const [head = '', ...rest] = answer.split('\r\n\r\n')
  const status = Number(head.split(' ')[1])
  const body = rest.join('\r\n\r\n')
  return { status, body, echo: status === 200 ? (JSON.parse(body) as Echo) : null }
}

/** The specification, in other words than the implementation: what a raw target must lead to. */
function expected(target: string): { status: number; slug?: string; target?: string } {
  const query = target.includes('?') ? target.slice(target.indexOf('?')) : ''
  const path = target.slice(0, target.length - query.length)
  const [empty, slug = '', ...segments] = path.split('/')
  if (empty !== '' || slug === '' || /[^a-z0-9-]/.test(slug)) return { status: 404 }
  if (/[^A-Za-z0-9._~!$&'()*+,;=:@%/-]/.test(path)) return { status: 400 }
  const decoded = decodeURIComponent(path).split(/[/\\]/)
  if (decoded.some((part) => /^\.\.?(;|$)/.test(part))) return { status: 400 }
  if (!SLUGS.includes(slug)) return { status: 404 }
  const rest = segments.length > 0 ? `/${segments.join('/')}` : ''
  return { status: 200, slug, target: `/base/${slug}$1${rest}${query}` }
}

const piece = fc.constantFrom(
  ...['x', 'X', '%2F', '%2f', '%2e', '.', '..', '%2E%2e', '//', '/', ';p=1', '..;', '%5c', '%20'],
  ...['%C3%A4', '$1', '|', '[', '"', '{http.vars.veil_api}', '~', '@:', '%252e', 'a', '-'],
)
const slugLike = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...SLUGS) },
  { weight: 1, arbitrary: fc.constantFrom(...SLUGS).map((slug) => slug.toUpperCase()) },
  { weight: 1, arbitrary: fc.constantFrom(...SLUGS).map((slug) => slug.slice(0, -1)) },
  { weight: 1, arbitrary: fc.constantFrom(...SLUGS).map((slug) => `${slug}q`) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...SLUGS)
      .map((slug) => `%${slug.charCodeAt(0).toString(16)}${slug.slice(1)}`),
  },
  { weight: 1, arbitrary: fc.constantFrom('', '.', '..', '%2e%2e', '*') },
)
const target = fc
  .tuple(
    fc.constantFrom('/', '/', '/', '/', '/', '//', '/./', '/../'),
    slugLike,
    fc.array(piece, { maxLength: 6 }),
    fc.constantFrom('', '', '?', '?q=1', '?u=/../x//y&e=%2F', '?{http.vars.veil_api}'),
    fc.boolean(),
  )
  .map(
    ([start, slug, pieces, query, slash]) =>
      start + slug + (slash ? '/' : '') + pieces.join('') + query,
  )

test('a random path reaches the API it names, unchanged, or is refused', async () => {
  let passed = 0
  await fc.assert(
    fc.asyncProperty(target, async (raw) => {
      const wanted = expected(raw)
      const { status, echo, body } = await get(raw)
      expect({ raw, status }).toEqual({ raw, status: wanted.status })
      if (wanted.status !== 200) {
        expect(JSON.parse(body)).toMatchObject({ status, code: expect.stringMatching(/_/) })
        return
      }
      passed++
      const name = SLUGS.indexOf(wanted.slug ?? '') % 2 ? 'odd' : 'even'
      expect({ raw, target: echo?.target }).toEqual({ raw, target: wanted.target })
      expect(echo?.upstream).toBe(name)
    }),
    { numRuns: 400 },
  )
  expect(passed).toBeGreaterThan(20)
})

test.each(SLUGS)('/%s reaches its own API, bare and with a rest', async (slug) => {
  expect((await get(`/${slug}`)).echo?.target).toBe(`/base/${slug}$1`)
  expect((await get(`/${slug}/`)).echo?.target).toBe(`/base/${slug}$1/`)
  expect((await get(`/${slug}//a%2Fb/;c?d=%20`)).echo?.target).toBe(
    `/base/${slug}$1//a%2Fb/;c?d=%20`,
  )
})

test.each([
  '/',
  '/?x',
  '*',
  '/nobody',
  '/acme-9999/x',
  'http://g/a/x',
  '/a/../b',
  '/%61/x',
  '//a',
  '/A',
])('GET %s is never an empty 200', async (path) => {
  const { status, body } = await get(path)
  expect(status).toBeGreaterThanOrEqual(400)
  if (path.startsWith('/')) expect(JSON.parse(body).status).toBe(status)
})
