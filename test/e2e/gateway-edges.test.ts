import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTestCaddy, type TestCaddy } from '#test/caddy'
import {
  anApi,
  desiredGateway,
  pushDesired,
  type StandInEdge,
  startEchoUpstream,
  startStandInEdge,
  type TestServer,
  testKeyId,
} from '#test/gateway'

const KEY_IDS = Array.from({ length: 20 }, (_, index) => testKeyId(index))

let caddy: TestCaddy
let edges: StandInEdge[]
let upstream: TestServer

beforeEach(async () => {
  caddy = await startTestCaddy()
  edges = [startStandInEdge(), startStandInEdge(), startStandInEdge()]
  upstream = startEchoUpstream('echo')
  const api = anApi({
    slug: 'echo',
    keyIds: KEY_IDS,
    upstreamUrl: `http://127.0.0.1:${upstream.port}`,
  })
  const ports = edges.map(({ port }) => port)
  await pushDesired(caddy, desiredGateway(caddy, ports, [api]))
})
afterEach(async () => {
  await caddy.stop()
  await Promise.all([upstream.stop(), ...edges.map((edge) => edge.stop())])
})

async function callAll(): Promise<number[]> {
  const statuses: number[] = []
  for (const id of KEY_IDS) {
    const headers = { 'x-api-key': `veil_${id}_good` }
    const response = await fetch(`${caddy.gatewayUrl}/echo`, {
      method: 'POST',
      body: 'b',
      headers,
      keepalive: false,
    })
    await response.text()
    statuses.push(response.status)
  }
  return statuses
}
const keysOf = (edge: StandInEdge) => [...new Set(edge.seen.map((seen) => seen['x-veil-key']))]
const ALL_PASS = KEY_IDS.map(() => 200)

test('a key always meets the same edge', async () => {
  for (let round = 0; round < 3; round++) expect(await callAll()).toEqual(ALL_PASS)
  const keys = edges.flatMap(keysOf)
  expect(keys).toHaveLength(KEY_IDS.length)
  expect(edges.filter((edge) => edge.seen.length > 0).length).toBeGreaterThan(1)
})

test('losing an edge moves its keys and no others, and no call fails', async () => {
  await callAll()
  const lost = edges.find((edge) => edge.seen.length > 0) as StandInEdge
  const staying = edges.filter((edge) => edge !== lost)
  const before = staying.map(keysOf)
  await lost.stop()
  expect(await callAll()).toEqual(ALL_PASS)
  for (const [index, edge] of staying.entries()) {
    expect(keysOf(edge)).toEqual(expect.arrayContaining(before[index] ?? []))
  }
  expect(staying.flatMap(keysOf)).toHaveLength(KEY_IDS.length)
})

test('an edge that breaks off in the middle of asking costs no POST', async () => {
  const breaking = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.destroy())
  })
  await new Promise<void>((ready) => breaking.listen(0, '127.0.0.1', ready))
  const address = breaking.address()
  const ports = [edges[0]?.port ?? 0, typeof address === 'object' && address ? address.port : 0]
  const api = anApi({
    slug: 'echo',
    keyIds: KEY_IDS,
    upstreamUrl: `http://127.0.0.1:${upstream.port}`,
  })
  await pushDesired(caddy, desiredGateway(caddy, ports, [api]))
  expect(await callAll()).toEqual(ALL_PASS)
  breaking.close()
})

test('with all edges lost calls are refused with 503 and Retry-After', async () => {
  await Promise.all(edges.map((edge) => edge.stop()))
  const response = await fetch(`${caddy.gatewayUrl}/echo`, {
    headers: { 'x-api-key': `veil_${KEY_IDS[0]}_good` },
  })
  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('2')
  expect(await response.json()).toMatchObject({ code: 'authorize_unreachable' })
})
