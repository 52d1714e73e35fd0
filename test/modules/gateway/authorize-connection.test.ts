import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestCaddy, type TestCaddy } from '#test/caddy'
import {
  anApi,
  desiredGateway,
  pushDesired,
  startEchoUpstream,
  type TestServer,
  testKeyId,
} from '#test/gateway'

const CALLS = 40
let caddy: TestCaddy
let upstream: TestServer
let edge: Server
let connections = 0
let subrequests = 0

beforeAll(async () => {
  ;[caddy, upstream] = [await startTestCaddy(), startEchoUpstream('one')]
  edge = createServer((_, response) => {
    subrequests++
    response.writeHead(204, { 'X-Veil-Key-Id': 'key_1', 'X-Veil-Subscription-Id': 'sub_1' }).end()
  })
  edge.on('connection', () => connections++)
  await new Promise<void>((listening) => edge.listen(0, '127.0.0.1', listening))
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`
  const api = anApi({ slug: 'acme', upstreamUrl, keyIds: [testKeyId(1)] })
  await pushDesired(caddy, desiredGateway(caddy, [(edge.address() as AddressInfo).port], [api]))
})

afterAll(async () => {
  await Promise.all([caddy?.stop(), upstream?.stop()])
  edge?.close()
})

// With a pool, Caddy 2.6 puts connections to upstreams into it, which then receive the keys of others.
it('authorizes every call on a connection of its own', async () => {
  const headers = { 'X-API-Key': `veil_${testKeyId(1)}_good` }
  const statuses = await Promise.all(
    Array.from({ length: CALLS }, async () => {
      const response = await fetch(`${caddy.gatewayUrl}/acme/things`, { headers })
      await response.text()
      return response.status
    }),
  )
  expect(new Set(statuses)).toEqual(new Set([200]))
  expect([subrequests, connections]).toEqual([CALLS, CALLS])
})
