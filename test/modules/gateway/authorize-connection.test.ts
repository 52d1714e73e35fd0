import { createServer as createPlainServer } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Server as TcpServer } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pinnedCertificate } from '#lib/pinned-certificate'
import { startTestCaddy, type TestCaddy } from '#test/caddy'
import {
  anApi,
  desiredGateway,
  EDGE_TLS,
  pushDesired,
  startEchoUpstream,
  type TestServer,
  testKeyId,
} from '#test/gateway'

const CALLS = 400
const AT_ONCE = 40
let caddy: TestCaddy
let upstream: TestServer
let edge: Server
const strangers: { server: TcpServer; requests: number }[] = []
let connections = 0
let subrequests = 0

beforeAll(async () => {
  ;[caddy, upstream] = [await startTestCaddy(), startEchoUpstream('one')]
  edge = createServer(EDGE_TLS, (_, response) => {
    subrequests++
    response.writeHead(204, { 'X-Veil-Key-Id': 'key_1', 'X-Veil-Subscription-Id': 'sub_1' }).end()
  })
  edge.on('connection', () => connections++)
})

afterAll(async () => {
  await Promise.all([caddy?.stop(), upstream?.stop()])
  edge?.close()
  for (const { server } of strangers) server.close()
})

async function listen(server: TcpServer): Promise<number> {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return (server.address() as AddressInfo).port
}

async function askThrough(edgePort: number): Promise<void> {
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`
  const api = anApi({ slug: 'acme', upstreamUrl, keyIds: [testKeyId(1)] })
  await pushDesired(caddy, desiredGateway(caddy, [edgePort], [api]))
}

async function call(): Promise<{ status: number; body: string }> {
  const headers = { 'X-API-Key': `veil_${testKeyId(1)}_good` }
  const response = await fetch(`${caddy.gatewayUrl}/acme/things`, { headers })
  return { status: response.status, body: await response.text() }
}

it('keeps its connections to the edge, and no upstream ever sees a key', async () => {
  await askThrough(await listen(edge))
  for (let done = 0; done < CALLS; done += AT_ONCE) {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, call))
    for (const { status, body } of answers) {
      expect(status).toBe(200)
      expect(body).not.toContain('_good')
    }
  }
  expect(subrequests).toBe(CALLS)
  expect(connections).toBeLessThan(CALLS / 2)
})

it.each([
  ['speaks no TLS', null],
  ['has a certificate of its own', pinnedCertificate('another secret', 'edge.veil')],
])('tells nothing to a server in place of the edge that %s', async (_, certificate) => {
  const stranger = { server: null as unknown as TcpServer, requests: 0 }
  const answer = (_request: unknown, response: { writeHead(status: number): { end(): void } }) => {
    stranger.requests++
    response.writeHead(204).end()
  }
  stranger.server = certificate
    ? createServer({ key: certificate.privateKeyPem, cert: certificate.certificatePem }, answer)
    : createPlainServer(answer)
  strangers.push(stranger)
  await askThrough(await listen(stranger.server))
  const { status, body } = await call()
  expect([status, JSON.parse(body).code]).toEqual([503, 'authorize_unreachable'])
  expect(stranger.requests).toBe(0)
})
