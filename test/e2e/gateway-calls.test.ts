import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '#infra/embedded'
import { rawExchange, startTestCaddy, type TestCaddy, until } from '#test/caddy'
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
import { type GatewayCall, parseAccessLogLine } from '../../src/modules/gateway/access-log'

const ID = testKeyId(1)
const GOOD = `veil_${ID}_good`
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/

let caddy: TestCaddy
let edge: StandInEdge
let echo: TestServer
let hostile: Server
/** What the hostile upstream answers; set by each test. */
let hostileAnswer = (socket: Socket): void => void socket.end()

beforeAll(async () => {
  caddy = await startTestCaddy()
  edge = startStandInEdge()
  echo = startEchoUpstream('echo')
  hostile = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => hostileAnswer(socket))
  })
  await new Promise<void>((ready) => hostile.listen(0, '127.0.0.1', ready))
  const address = hostile.address()
  const hostilePort = typeof address === 'object' && address ? address.port : 0
  const keyIds = [ID]
  await pushDesired(caddy, {
    ...desiredGateway(
      caddy,
      [edge.port],
      [
        anApi({ slug: 'echo', keyIds, upstreamUrl: `http://127.0.0.1:${echo.port}` }),
        anApi({
          slug: 'strict',
          keyIds,
          requiredHeaders: [
            { name: 'X-Tenant', value: null },
            { name: 'X-Mode', value: 'a{b}*' },
          ],
          upstreamUrl: `http://127.0.0.1:${echo.port}`,
        }),
        anApi({ slug: 'hostile', keyIds, upstreamUrl: `http://127.0.0.1:${hostilePort}` }),
        anApi({ slug: 'gone', keyIds, upstreamUrl: `http://127.0.0.1:${await freePort()}` }),
        anApi({ slug: 'secure', keyIds, upstreamUrl: `https://127.0.0.1:${echo.port}` }),
        anApi({ slug: 'keyless', upstreamUrl: `http://127.0.0.1:${echo.port}` }),
      ],
    ),
    upstreamTimeoutSeconds: 1,
  })
})
afterAll(async () => {
  await caddy.stop()
  await Promise.all([edge.stop(), echo.stop()])
  hostile.close()
})

const call = (path: string, init: RequestInit = {}, key: string | null = GOOD) => {
  const headers = new Headers(init.headers)
  if (key !== null) headers.set('x-api-key', key)
  return fetch(caddy.gatewayUrl + path, { ...init, headers, keepalive: false })
}
const seenBy = async (response: Response) => (await response.json()) as Echo

async function calls(): Promise<GatewayCall[]> {
  const lines = await caddy.logLines()
  return lines.map(parseAccessLogLine).filter((one) => one !== null)
}

async function callLogged(path: string): Promise<GatewayCall> {
  let found: GatewayCall | undefined
  await until(async () => {
    found = (await calls()).find((one) => one.path === path)
    return found !== undefined
  })
  return found as GatewayCall
}

describe('refusals', () => {
  const refused = async (response: Response, status: number, code: string) => {
    const body = (await response.json()) as Record<string, string>
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(body).toMatchObject({
      type: `urn:veil:problem:${code}`,
      title: expect.any(String),
      status,
      detail: expect.stringMatching(/\w{3} .*\.$/),
      code,
      requestId: expect.stringMatching(UUID),
    })
    expect(response.headers.get('x-request-id')).toBe(body.requestId)
    return body
  }

  test('404 for an unknown API', async () => {
    await refused(await call('/nobody/x'), 404, 'unknown_api')
  })

  test('400 for a header in Connection that would vanish on the way to authorize', async () => {
    const answer = await rawExchange(
      caddy.gatewayPort,
      `GET /echo HTTP/1.1\r\nHost: g\r\nX-API-Key: ${GOOD}\r\nConnection: close, x-api-key\r\n\r\n`,
    )
    expect(answer).toContain('HTTP/1.1 400')
    expect(answer).toContain('forbidden_connection_option')
  })

  test('405 with Allow', async () => {
    const response = await call('/echo', { method: 'DELETE' })
    expect(response.headers.get('allow')).toBe('GET, POST')
    const body = await refused(response, 405, 'method_not_allowed')
    expect(body.detail).toContain('GET, POST')
  })

  test.each([
    ['absent', { 'x-mode': 'a{b}*' }, 'X-Tenant'],
    ['of another value', { 'x-tenant': 't', 'x-mode': 'a' }, 'X-Mode'],
    ['that only a wildcard would match', { 'x-tenant': 't', 'x-mode': 'a{b}c' }, 'X-Mode'],
  ])('400 for a required header %s', async (_name, headers, missing) => {
    const response = await call('/strict', { headers: headers as Record<string, string> })
    expect((await refused(response, 400, 'missing_required_header')).detail).toContain(missing)
  })

  test('the exact value passes', async () => {
    const response = await call('/strict', { headers: { 'x-tenant': 't', 'x-mode': 'a{b}*' } })
    expect(response.status).toBe(200)
  })

  test.each([
    ['no key', null, '/echo', 'key_missing'],
    ['junk', 'junk', '/echo', 'key_not_accepted'],
    ['a key of another API', `veil_${testKeyId(2)}_good`, '/echo', 'key_not_accepted'],
    ['a key in another case', GOOD.toUpperCase(), '/echo', 'key_not_accepted'],
    ['any key of an API without keys', GOOD, '/keyless', 'key_not_accepted'],
  ])('401 for %s', async (_name, key, path, code) => {
    const before = edge.seen.length
    const response = await call(path, {}, key)
    expect(response.headers.get('www-authenticate')).toContain('Bearer')
    await refused(response, 401, code)
    expect(edge.seen.length).toBe(before)
  })

  test('the edge’s refusal goes to the client as it is', async () => {
    const response = await call('/echo', {}, `veil_${ID}_tired`)
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('7')
    expect(response.headers.get('x-request-id')).toMatch(UUID)
    expect(await response.json()).toEqual({ code: 'rate_limited' })
  })

  test('503 when something that is no edge lets the call pass', async () => {
    await refused(await call('/echo', {}, `veil_${ID}_silent`), 503, 'authorize_unreachable')
  })

  test('502 for an upstream that is not there, or whose certificate is not good', async () => {
    await refused(await call('/gone'), 502, 'upstream_unreachable')
    await refused(await call('/secure'), 502, 'upstream_unreachable')
  })

  test('504 for an upstream that is silent', async () => {
    hostileAnswer = () => {}
    await refused(await call('/hostile/silent'), 504, 'upstream_timeout')
  })
})

describe('a call that passes', () => {
  test('carries our headers and none of the caller’s, and never the key', async () => {
    const response = await call('/echo/a?b=c', {
      method: 'POST',
      body: 'hello',
      headers: {
        'x-veil-subscription-id': 'sub_forged',
        'x-veil-anything': '1',
        'x-request-id': 'forged',
        authorization: 'Basic upstream',
      },
    })
    const { headers, ...seen } = await seenBy(response)
    expect(seen).toEqual({ upstream: 'echo', method: 'POST', target: '/a?b=c', body: 'hello' })
    expect(headers).toMatchObject({
      host: `127.0.0.1:${echo.port}`,
      authorization: 'Basic upstream',
      'x-veil-subscription-id': `sub_key_${ID}`.replace('key_', ''),
      'x-request-id': expect.stringMatching(UUID),
    })
    expect(Object.keys(headers).filter((name) => /^x-(veil|api)/.test(name))).toEqual([
      'x-veil-subscription-id',
    ])
    expect(response.headers.get('x-request-id')).toBe(headers['x-request-id'] ?? '')
    expect(response.headers.get('ratelimit')).toBe('"key";r=9;t=1')
    expect(response.headers.get('ratelimit-policy')).toBe('"key";q=10;w=1')
    expect([...response.headers.keys()].filter((name) => name.startsWith('x-veil'))).toEqual([])
    const asked = edge.seen.at(-1)
    expect(asked).toMatchObject({
      'x-veil-key': GOOD,
      'x-veil-api': 'api_echo',
      'x-request-id': headers['x-request-id'],
      'x-forwarded-method': 'POST',
      'x-forwarded-uri': '/echo/a?b=c',
      'x-forwarded-for': '127.0.0.1',
    })
    expect(asked).not.toHaveProperty('authorization')
    expect(asked).not.toHaveProperty('x-api-key')
    expect(asked).not.toHaveProperty('content-length')
  })

  test('has no RateLimit header when the edge set none', async () => {
    const response = await call('/echo', {}, `veil_${ID}_goodunlimited`)
    expect(response.status).toBe(200)
    expect(response.headers.has('ratelimit')).toBe(false)
  })

  test.each(['Bearer', 'bearer'])('takes the key as Authorization: %s', async (scheme) => {
    const { headers } = await seenBy(
      await call('/echo', { headers: { authorization: `${scheme} ${GOOD}` } }, null),
    )
    expect(headers).not.toHaveProperty('authorization')
    expect(edge.seen.at(-1)?.['x-veil-key']).toBe(GOOD)
  })

  test('a bearer key beside the key header is kept from the upstream, another bearer is not', async () => {
    const both = await seenBy(await call('/echo', { headers: { authorization: `Bearer ${GOOD}` } }))
    expect(both.headers).not.toHaveProperty('authorization')
    const own = await seenBy(await call('/echo', { headers: { authorization: 'Bearer jwt' } }))
    expect(own.headers.authorization).toBe('Bearer jwt')
  })

  test('is logged with its key, without secrets', async () => {
    const response = await call('/echo/logged?token=secret', {
      method: 'POST',
      body: 'hello',
      headers: { cookie: 'session=secret' },
    })
    const requestId = response.headers.get('x-request-id')
    const size = (await response.arrayBuffer()).byteLength
    expect(await callLogged('/echo/logged')).toMatchObject({
      requestId,
      keyId: `key_${ID}`,
      apiId: 'api_echo',
      method: 'POST',
      status: 200,
      requestBytes: 5,
      responseBytes: size,
    })
    const log = (await caddy.logLines()).join('\n')
    expect(log).not.toMatch(/secret|veil_K|127\.0\.0\.1"/)
  })

  test('a call that is refused is no call to bill', async () => {
    await call('/echo/refused', {}, `veil_${ID}_tired`)
    await call('/echo/after')
    await callLogged('/echo/after')
    expect((await calls()).some((one) => one.path === '/echo/refused')).toBe(false)
  })

  test('streams: the first part arrives while the upstream still holds the rest', async () => {
    let finish = (): void => {}
    hostileAnswer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n')
      finish = () => socket.end('4\r\nlast\r\n0\r\n\r\n')
    }
    const response = await call('/hostile/stream')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('first')
    finish()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('last')
  })
})

describe('a hostile upstream', () => {
  const FORGED = ['X-Veil-Key-Id: key_victim', 'X-Request-Id: forged', 'RateLimit: forged']
    .flatMap((line) => [line, line])
    .join('\r\n')
  const body = 'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n'
  const trailers = `${FORGED}\r\n\r\n`

  test.each([
    ['response headers, twice', `HTTP/1.1 200 OK\r\n${FORGED}\r\n${body}\r\n`, 200],
    [
      'trailers, announced and not',
      `HTTP/1.1 200 OK\r\nTrailer: X-Veil-Key-Id\r\n${body}${trailers}`,
      200,
    ],
    [
      'early hints',
      `HTTP/1.1 103 Early Hints\r\n${FORGED}\r\n\r\nHTTP/1.1 200 OK\r\n${FORGED}\r\n${body}\r\n`,
      200,
    ],
    [
      'connection options',
      `HTTP/1.1 200 OK\r\nConnection: x-request-id, x-veil-key-id, ratelimit\r\n${FORGED}\r\n${body}\r\n`,
      200,
    ],
    [
      'an unasked upgrade',
      `HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n${FORGED}\r\n\r\n`,
      502,
    ],
  ])('cannot name another key by %s', async (name, answer, status) => {
    hostileAnswer = (socket) => void socket.end(answer)
    const path = `/hostile/${name.replace(/\W/g, '-')}`
    const received = await rawExchange(
      caddy.gatewayPort,
      `GET ${path} HTTP/1.1\r\nHost: g\r\nTE: trailers\r\nX-API-Key: ${GOOD}\r\nConnection: close\r\n\r\n`,
    )
    const logged = await callLogged(path)
    expect(logged).toMatchObject({ keyId: `key_${ID}`, apiId: 'api_hostile', status })
    expect(logged.requestId).toMatch(UUID)
    const final = received.slice(received.lastIndexOf('HTTP/1.1 ')).split('\r\n\r\n')[0] ?? ''
    expect(final).toContain(`X-Request-Id: ${logged.requestId}`)
    expect(final).not.toMatch(/victim|forged/)
  })

  test('a client that hangs up before the answer is logged as that, with its key', async () => {
    let isAsked = false
    hostileAnswer = () => {
      isAsked = true
    }
    const client = connect(caddy.gatewayPort, '127.0.0.1')
    client.write(`GET /hostile/slow HTTP/1.1\r\nHost: g\r\nX-API-Key: ${GOOD}\r\n\r\n`)
    await until(() => isAsked)
    client.destroy()
    expect(await callLogged('/hostile/slow')).toMatchObject({ keyId: `key_${ID}`, status: 499 })
  })

  test('an upgrade goes through, and is logged with the key that asked for it', async () => {
    hostileAnswer = (socket) => {
      socket.write(
        `HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${FORGED}\r\n\r\nhello`,
      )
      socket.once('data', (data) => socket.end(`you said ${data}`))
    }
    const received = await new Promise<string>((done, fail) => {
      let text = ''
      const open = `GET /hostile/socket HTTP/1.1\r\nHost: g\r\nX-API-Key: ${GOOD}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
      void Bun.connect({
        hostname: '127.0.0.1',
        port: caddy.gatewayPort,
        socket: {
          open: (socket) => void socket.write(open),
          data: (socket, chunk) => {
            text += chunk.toString('latin1')
            if (text.endsWith('hello')) socket.write('ping')
          },
          close: () => done(text),
          error: (_socket, error) => fail(error),
        },
      })
    })
    expect(received).toMatch(/^HTTP\/1\.1 101 /)
    expect(received).toMatch(/hello.*you said ping$/s)
    expect(await callLogged('/hostile/socket')).toMatchObject({ keyId: `key_${ID}`, status: 101 })
  })
})
