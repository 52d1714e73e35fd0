import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let consumer: TestUser
let upstream: TestServer
let subscriptionId: string

beforeAll(async () => {
  veil = await TestVeil.start()
  const provider = await veil.user('provider')
  consumer = await veil.user('consumer')
  upstream = startEchoUpstream('up')
  const upstreamUrl = `http://127.0.0.1:${upstream.port}/v1`
  const methods = ['GET', 'POST', 'DELETE']
  const api = await veil.publishedApi(provider, { slug: 'scoped', upstreamUrl, methods })
  subscriptionId = (await veil.subscribe(consumer, api)).id
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

const send = (method: string, path: string, body: unknown) =>
  veil.request(method, `/api-keys${path}`, { token: consumer.token, body })
const keyFor = async (limits: object): Promise<{ id: string; key: string }> =>
  (await send('POST', '', { subscriptionId, name: 'limited', ...limits })).body

/** The status of a request whose target is sent as it stands here. */
function rawStatus(key: string, method: string, target: string, headers = ''): Promise<number> {
  const { hostname, port } = new URL(veil.caddy.gatewayUrl)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let received = ''
    socket.on('data', (bytes) => {
      received += bytes.toString()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(Number(received.slice(9, 12))))
    // Not `end`: Caddy takes a half-closed connection for a client that has gone.
    socket.write(
      `${method} ${target} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\nContent-Length: 0\r\nConnection: close\r\n${headers}\r\n`,
    )
  })
}

describe('a key for some operations', () => {
  const operations = ['GET /cities/*', '* /reports/**']

  test('opens these and no others, and says so', async () => {
    const { key } = await keyFor({ operations })
    const calls: [string, string, number][] = [
      ['GET', '/cities/7', 200],
      ['GET', '/cities/7?x=/../reports', 200],
      ['POST', '/cities/7', 403],
      ['GET', '/cities', 403],
      ['GET', '/v1/cities/7', 403],
      ['DELETE', '/reports', 200],
      ['POST', '/reports/a/b', 200],
      ['GET', '', 403],
      ['GET', '/secret?/reports/a', 403],
    ]
    for (const [method, path, status] of calls)
      expect({ method, path, status: await rawStatus(key, method, `/scoped${path}`) }).toEqual({
        ...{ method, path, status },
      })
    const refused = await veil.call('/scoped/secret', key)
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ code: 'operation_not_allowed', status: 403 })
  })

  test('is not got around by encodings, slashes or headers', async () => {
    const { key } = await keyFor({ operations: ['GET /public/*'] })
    expect(await rawStatus(key, 'GET', '/scoped/public/x')).toBe(200)
    for (const path of [
      ...['/public/../secret', '/public/%2e%2e/secret', '/public/..%2fsecret', '/public/a%2Fb'],
      ...['//public/x', '/public//x', '/public/%252e%252e%252fsecret', '/public/..;/secret'],
      ...['/secret;/public/x', '/public%2fx', '/secret#/public/x', '/public/%c0%af', '/public/;x'],
    ]) {
      const status = await rawStatus(key, 'GET', `/scoped${path}`)
      expect({ path, refused: status === 400 || status === 403 }).toEqual({ path, refused: true })
    }
    for (const header of [
      'X-Forwarded-Uri: /scoped/public/x',
      'x-forwarded-uri: /scoped/public/x\r\nConnection: x-forwarded-uri',
      'X-Original-Url: /public/x',
      'X-Veil-Target: /public/x',
    ])
      expect(await rawStatus(key, 'GET', '/scoped/secret', `${header}\r\n`)).toBe(403)
    for (const header of ['X-Forwarded-Method: GET', 'X-HTTP-Method-Override: GET'])
      expect(await rawStatus(key, 'POST', '/scoped/public/x', `${header}\r\n`)).toBe(403)
    for (const name of ['X-HTTP-Method-Override', 'x-method-override', 'X-Http-Method'])
      expect(await rawStatus(key, 'GET', '/scoped/public/x', `${name}: DELETE\r\n`)).toBe(403)
  })

  test('can be limited and freed again, within a second', async () => {
    const { id, key } = await keyFor({})
    const { status, body } = await send('PUT', `/${id}`, {
      ...{ name: 'x', expiresAt: null, addresses: [], rotateAfterDays: null },
      operations: ['GET /only'],
    })
    expect({ status, operations: body.operations }).toEqual({
      status: 200,
      operations: ['GET /only'],
    })
    const becomes = (expected: number) =>
      eventually(
        async () => (await veil.call('/scoped/else', key)).status,
        (seen) => seen === expected,
        1_500,
      )
    await becomes(403)
    await send('PUT', `/${id}`, {
      ...{ name: 'x', expiresAt: null, addresses: [], rotateAfterDays: null, operations: [] },
    })
    await becomes(200)
  })
})

describe('a key for some addresses', () => {
  test('works from there, whatever the client claims', async () => {
    const { key: here } = await keyFor({ addresses: ['127.0.0.0/8', '::1'] })
    const { key: elsewhere } = await keyFor({ addresses: ['192.0.2.0/24', '2001:db8::/32'] })
    expect((await veil.call('/scoped/x', here)).status).toBe(200)
    const refused = await veil.call('/scoped/x', elsewhere)
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ code: 'address_not_allowed' })
    for (const name of ['X-Forwarded-For', 'X-Real-Ip', 'Forwarded', 'X-Veil-Address']) {
      const claim = `${name}: 192.0.2.7\r\n`
      expect(await rawStatus(elsewhere, 'GET', '/scoped/x', claim)).toBe(403)
      expect(await rawStatus(here, 'GET', '/scoped/x', claim)).toBe(200)
      const dropped = await rawStatus(
        elsewhere,
        'GET',
        '/scoped/x',
        `${claim}Connection: ${name}\r\n`,
      )
      expect([400, 403]).toContain(dropped)
    }
  })

  test('a refused call takes nothing from the limits', async () => {
    const { key } = await keyFor({ addresses: ['192.0.2.7'] })
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => veil.call('/scoped/x', key).then(({ status }) => status)),
    )
    expect(new Set(answers)).toEqual(new Set([403]))
  })
})

test.each([
  [{ operations: ['cities'] }, '/operations/0'],
  [{ operations: ['GET /x', 'GET /a/../b'] }, '/operations/1'],
  [{ addresses: ['192.0.2.7/8'] }, '/addresses/0'],
  [{ addresses: ['example.com'] }, '/addresses/0'],
])('%j is refused', async (limits, pointer) => {
  const answer = await send('POST', '', { subscriptionId, name: 'x', ...limits })
  expect(answer).toMatchObject({
    status: 422,
    body: { code: 'key_limits_invalid', errors: [{ pointer }] },
  })
})
