import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestCaddy, type TestCaddy } from '#test/caddy'
import {
  anApi,
  desiredGateway,
  type Echo,
  EDGE_CERTIFICATE,
  pushDesired,
  startEchoUpstream,
  type TestServer,
} from '#test/gateway'
import { type EdgeServer, startEdgeServer } from '../../../src/modules/gateway/edge-server.ts'
import { edgeWith, NOON } from './authorize-fixture.ts'

const LIMIT = 60
let caddy: TestCaddy
let upstream: TestServer
let edge: EdgeServer
const known = edgeWith({
  subscription: { rateLimits: [{ scope: 'key', limit: LIMIT, windowSeconds: 60 }] },
})

beforeAll(async () => {
  ;[caddy, upstream] = [await startTestCaddy(), startEchoUpstream('one')]
  edge = startEdgeServer({
    listen: { host: '127.0.0.1', port: 0 },
    certificate: EDGE_CERTIFICATE,
    authorizer: known.authorizer,
    clock: { now: () => new Date(NOON) },
  })
  const api = anApi({
    id: 'api_1',
    slug: 'acme',
    upstreamUrl: `http://127.0.0.1:${upstream.port}`,
    methods: ['GET', 'POST', 'PUT', 'HEAD'],
    keyIds: [known.generated.id],
  })
  await pushDesired(caddy, desiredGateway(caddy, [edge.port ?? 0], [api]))
})

afterAll(async () => {
  await Promise.all([caddy?.stop(), edge?.stop(), upstream?.stop()])
})

const call = (init: RequestInit = {}, key = known.generated.key) =>
  fetch(`${caddy.gatewayUrl}/acme/things?limit=2`, {
    ...init,
    headers: { 'X-API-Key': key, ...init.headers },
  })

const echoOf = async (response: Response) => (await response.json()) as Echo

/** A body of unknown length, which goes chunked. */
const chunked = (parts: string[]) =>
  new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })

describe('the edge behind a real Caddy', () => {
  it('admits calls without a body, one after another on the same connections', async () => {
    for (let round = 0; round < 5; round++) {
      const response = await call()
      expect(response.status).toBe(200)
      expect(await echoOf(response)).toMatchObject({ method: 'GET', target: '/things?limit=2' })
    }
    expect((await call({ method: 'HEAD' })).status).toBe(200)
  })

  it.each([
    ['a known length', () => 'hello'],
    ['no bytes', () => ''],
    ['two megabytes', () => 'x'.repeat(2_000_000)],
    ['unknown length', () => chunked(['hel', 'lo'])],
    ['the look of a request', () => 'GET /gateway/authorize HTTP/1.1\r\n\r\n'],
  ])('admits a POST with a body of %s, which the upstream gets whole', async (_, body) => {
    const expected = await new Response(body()).text()
    for (const method of ['POST', 'PUT', 'POST']) {
      const response = await call({ method, body: body() })
      expect(response.status).toBe(200)
      expect((await echoOf(response)).body).toBe(expected)
    }
  })

  it('admits what asks for an upgrade or brings many headers', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`X-Extra-${index}`, 'v'.repeat(200)]),
    )
    expect((await call({ headers: many })).status).toBe(200)
    expect((await call({ headers: { 'X-Veil-Api': 'api_2', 'x-veil-key': 'no' } })).status).toBe(
      200,
    )
  })

  it('hands a refusal on as it is', async () => {
    const key = known.generated.key
    const response = await call({}, `${key.slice(0, 18)}${'0'.repeat(32)}${key.slice(50)}`)
    expect(response.status).toBe(401)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    const problem = (await response.json()) as { code: string; requestId: string }
    expect(problem.code).toBe('key_not_accepted')
    expect(problem.requestId).toBe(response.headers.get('x-request-id') ?? 'none')
  })

  it('passes to the limit exactly and says when to come again', async () => {
    let last = await call()
    let passed = 0
    for (; last.status === 200; passed++) last = await call()
    expect(passed).toBeGreaterThan(0)
    expect(last.status).toBe(429)
    expect(last.headers.get('retry-after')).toBe('1')
    expect(last.headers.get('ratelimit')).toBe('"key";r=0;t=1')
    expect(last.headers.get('ratelimit-policy')).toBe(`"key";q=${LIMIT};w=60`)
  })
})
