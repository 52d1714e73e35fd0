import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type MissOptions, MissResolver } from '../../../src/modules/gateway/authorize-miss.ts'
import { type EdgeServer, startEdgeServer } from '../../../src/modules/gateway/edge-server.ts'
import { addKey, edgeWith, monthlyQuota, NOON } from './authorize-fixture.ts'

const servers: EdgeServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

function serve(
  options: Parameters<typeof edgeWith>[0] = {},
  resolve?: (edge: ReturnType<typeof edgeWith>, keyId: string) => Promise<boolean>,
  limits: Partial<MissOptions> = {},
) {
  const edge = edgeWith(options)
  const misses =
    resolve && new MissResolver({ resolve: (keyId) => resolve(edge, keyId), ...limits })
  const server = startEdgeServer({
    listen: { host: '127.0.0.1', port: 0 },
    authorizer: edge.authorizer,
    clock: { now: () => new Date(NOON) },
    ...(misses === undefined ? {} : { misses }),
  })
  servers.push(server)
  const ask = (key: string | null, headers: Record<string, string> = {}, path?: string) =>
    fetch(`http://127.0.0.1:${server.port}${path ?? '/gateway/authorize'}`, {
      headers: {
        'X-Veil-Api': 'api_1',
        ...(key === null ? {} : { 'X-Veil-Key': key }),
        ...headers,
      },
    })
  return { edge, server, ask, key: edge.generated.key }
}

/** Sends bytes in the given pieces and returns all that comes back until the server ends it. */
function exchange(port: number | null, pieces: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port ?? 0, '127.0.0.1')
    let received = ''
    socket.setNoDelay(true)
    socket.on('data', (bytes) => {
      received += bytes.toString()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
    const next = () => {
      const piece = pieces.shift()
      if (piece !== undefined) socket.write(piece, () => setImmediate(next))
    }
    socket.on('connect', next)
  })
}

const head = (key: string, more = '') =>
  `GET /gateway/authorize HTTP/1.1\r\nHost: edge\r\nX-Veil-Api: api_1\r\nX-Veil-Key: ${key}\r\n${more}\r\n`
const CLOSE = 'Connection: close\r\n'
const statuses = (received: string) =>
  [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))

describe('answers', () => {
  it('204 with the ids and limits', async () => {
    const rateLimits = [{ scope: 'key', limit: 5, windowSeconds: 10 }] as const
    const { ask, key, edge } = serve({ subscription: { rateLimits, quota: monthlyQuota(100) } })
    const response = await ask(key)
    expect(response.status).toBe(204)
    expect(response.headers.get('x-veil-key-id')).toBe(edge.key.id)
    expect(response.headers.get('x-veil-subscription-id')).toBe(
      'sub_11111111111111111111111111111111',
    )
    expect(response.headers.get('ratelimit')).toMatch(/^"key";r=4;t=2, "quota";r=99;t=\d+$/)
    expect(response.headers.get('ratelimit-policy')).toMatch(/^"key";q=5;w=10, "quota";q=100;w=/)
  })

  it('carries no limits of one caller to the next', async () => {
    const rateLimits = [{ scope: 'key', limit: 5, windowSeconds: 10 }] as const
    const { ask, key, edge } = serve({ subscription: { rateLimits } })
    edge.state.upsertSubscription({
      ...edge.subscription,
      id: 'sub_22222222222222222222222222222222',
      rateLimits: [],
    })
    await ask(key)
    const response = await ask(addKey(edge.state, 'sub_22222222222222222222222222222222'))
    expect(response.headers.get('x-veil-subscription-id')).toBe(
      'sub_22222222222222222222222222222222',
    )
    expect(response.headers.has('ratelimit')).toBe(false)
  })

  it.each(['Bearer ', 'bearer ', 'BEARER  '])('takes a key behind %j', async (scheme) => {
    const { ask, key } = serve()
    expect((await ask(`${scheme}${key}`)).status).toBe(204)
  })

  it('a problem with request id, challenge and no trace of the key', async () => {
    const { ask, key } = serve({ key: { status: 'revoked' } })
    const response = await ask(key, { 'X-Request-Id': 'req-7"' })
    expect(response.status).toBe(401)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="veil"')
    const text = await response.text()
    expect(JSON.parse(text)).toEqual({
      type: 'urn:veil:problem:key_revoked',
      title: 'Not authenticated',
      status: 401,
      detail: expect.any(String),
      code: 'key_revoked',
      requestId: 'req-7"',
    })
    expect(text).not.toContain(key.slice(18))
  })

  it('429 with Retry-After, limits, ids and the refusing policy', async () => {
    const rateLimits = [{ scope: 'key', limit: 1, windowSeconds: 10 }] as const
    const { ask, key, edge } = serve({ subscription: { rateLimits } })
    await ask(key)
    const response = await ask(key)
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('10')
    expect(response.headers.get('ratelimit')).toBe('"key";r=0;t=10')
    expect(response.headers.get('x-veil-key-id')).toBe(edge.key.id)
    expect(await response.json()).toMatchObject({
      'violated-policies': ['key'],
      code: 'rate_limited',
    })
  })

  it('401 without a key, 404 elsewhere and for other methods, and says that it lives', async () => {
    const { ask, server } = serve()
    expect((await ask(null)).status).toBe(401)
    expect((await ask(null, {}, '/other')).status).toBe(404)
    expect((await ask(null, {}, '/health/live?x=1')).status).toBe(200)
    const url = `http://127.0.0.1:${server.port}/gateway/authorize`
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(404)
  })

  it('on a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'veil-edge-'))
    const unix = join(folder, 'edge.sock')
    const { authorizer, generated } = edgeWith()
    const clock = { now: () => new Date(NOON) }
    const server = startEdgeServer({ listen: { unix }, authorizer, clock })
    servers.push(server)
    const headers = { 'X-Veil-Key': generated.key, 'X-Veil-Api': 'api_1' }
    const response = await fetch('http://edge/gateway/authorize', { unix, headers })
    expect([response.status, server.port]).toEqual([204, null])
    rmSync(folder, { recursive: true })
  })
})

describe('the connection', () => {
  it('answers requests one after another, split and joined anywhere', async () => {
    const { key, server } = serve()
    const three = head(key) + head('junk') + head(key, CLOSE)
    for (const size of [1, 7, 60, 1000]) {
      const pieces = three.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      expect(statuses(await exchange(server.port, pieces))).toEqual([204, 401, 204])
    }
  })

  it('reads names in any case and values with spaces around', async () => {
    const { key, server } = serve()
    const text = `GET /gateway/authorize HTTP/1.1\r\nx-veil-key:\t${key} \r\nX-VEIL-API:api_1\r\n${CLOSE}\r\n`
    expect(statuses(await exchange(server.port, [text]))).toEqual([204])
  })

  it('skips a body of known length and takes what follows for a request', async () => {
    const { key, server } = serve()
    const body = head('veil_in_the_body')
    const text = head(key, `content-length: ${body.length}\r\n`) + body + head(key, CLOSE)
    expect(statuses(await exchange(server.port, [text]))).toEqual([204, 204])
    const [first = '', second = ''] = [text.slice(0, 200), text.slice(200)]
    expect(statuses(await exchange(server.port, [first, second]))).toEqual([204, 204])
  })

  it.each([
    ['a chunked body', (key: string) => head(key, 'transfer-Encoding: chunked\r\n')],
    ['two lengths', (key: string) => head(key, 'Content-Length: 1\r\nContent-Length: 2\r\n')],
    ['a length that is none', (key: string) => head(key, 'Content-Length: +1\r\n')],
    ['a folded line', (key: string) => head(key, ' Content-Length: 4\r\n')],
    ['a space before the colon', (key: string) => head(key, 'Content-Length : 4\r\n')],
    ['a line without colon', (key: string) => head(key, `${CLOSE}nonsense\r\n`)],
    ['two keys', (key: string) => head(key, `${CLOSE}X-Veil-Key: ${key}\r\n`)],
    ['another protocol', () => 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
  ])('ends after %s', async (_, text) => {
    const { key, server } = serve()
    expect(statuses(await exchange(server.port, [text(key) + head(key)]))).toEqual([400])
  })

  it('ends on a head that does not end', async () => {
    const { server } = serve()
    const endless = `GET /gateway/authorize HTTP/1.1\r\nX: ${'x'.repeat(140_000)}`
    // A sender that is still writing may see the reset before the answer.
    const received = await exchange(server.port, [endless]).catch((error) => error.code)
    expect(received).toMatch(/^(HTTP\/1\.1 400 |ECONNRESET|EPIPE)/)
  })

  it('answers nothing after the last request of a connection', async () => {
    const { key, server } = serve()
    const text = head(key, CLOSE) + head(key)
    expect(statuses(await exchange(server.port, [text]))).toEqual([204])
    const old = `GET /health/live HTTP/1.0\r\n\r\n${head(key)}`
    expect(statuses(await exchange(server.port, [old]))).toEqual([200])
  })

  it('keeps the order of answers while one is looked up', async () => {
    const release = Promise.withResolvers<void>()
    const { key, server } = serve({ key: { status: 'pending' } }, async (edge) => {
      await release.promise
      edge.state.upsertKey({ ...edge.key, status: 'active' })
      return true
    })
    const text = head(key) + head('junk') + head(key, CLOSE)
    const answers = exchange(server.port, [text])
    release.resolve()
    expect(statuses(await answers)).toEqual([204, 401, 204])
  })

  it('finishes the call at hand when it stops, and takes no more', async () => {
    const started = Promise.withResolvers<void>()
    const release = Promise.withResolvers<boolean>()
    const { ask, key, server } = serve({ key: { status: 'pending' } }, () => {
      started.resolve()
      return release.promise
    })
    const answer = ask(key)
    await started.promise
    const stopped = server.stop()
    release.resolve(false)
    expect((await answer).status).toBe(401)
    await stopped
    await expect(ask(key)).rejects.toThrow()
  })
})

describe('an unknown or pending key', () => {
  const newKey = (edge: ReturnType<typeof edgeWith>) => {
    const other = edgeWith()
    return {
      text: other.generated.key,
      arrive: () =>
        edge.state.upsertKey({
          ...other.key,
          subscriptionId: 'sub_11111111111111111111111111111111',
        }),
    }
  }

  it('is looked up once before it is refused, and admitted when that brings it', async () => {
    let arrive = () => {}
    const asked: string[] = []
    const { ask, edge } = serve({}, async (_, keyId) => {
      asked.push(keyId)
      arrive()
      return true
    })
    const key = newKey(edge)
    arrive = key.arrive
    expect((await ask(key.text)).status).toBe(204)
    expect((await ask(key.text)).status).toBe(204)
    expect(asked).toEqual([`key_${key.text.slice(5, 17)}`])
  })

  it('is not looked up again for a while after an answer that changed nothing', async () => {
    let now = 0
    let lookUps = 0
    const { ask } = serve(
      {},
      async () => {
        lookUps++
        return false
      },
      { monotonic: () => now, negativeForMs: 3_000 },
    )
    const key = edgeWith().generated.key
    expect((await ask(key)).status).toBe(401)
    now = 2_999
    expect((await ask(key)).status).toBe(401)
    expect(lookUps).toBe(1)
    now = 3_000
    await ask(key)
    expect(lookUps).toBe(2)
  })

  it('is answered 503 when nobody knows: the customer is not to blame', async () => {
    const { ask } = serve({}, () => Promise.reject(new Error('database away')))
    const response = await ask(edgeWith().generated.key)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await response.json()).toMatchObject({ code: 'authorize_unavailable' })
    expect((await ask(edgeWith().generated.key)).status).toBe(503)
  })

  it('is not looked up for a wrong secret of a known id', async () => {
    let lookUps = 0
    const { ask, key } = serve({}, async () => {
      lookUps++
      return false
    })
    await ask(`${key.slice(0, 50)}zzzzzz`)
    expect((await ask(key, { 'X-Veil-Api': 'api_2' })).status).toBe(401)
    expect(lookUps).toBe(0)
  })
})

describe('the look-ups', () => {
  const gate = () => {
    const waiting = new Map<string, PromiseWithResolvers<boolean>>()
    const resolve = (keyId: string) => {
      const entry = Promise.withResolvers<boolean>()
      waiting.set(keyId, entry)
      return entry.promise
    }
    return { waiting, resolve }
  }

  it('of one key at the same time are one', async () => {
    const { waiting, resolve } = gate()
    const misses = new MissResolver({ resolve })
    const both = [misses.resolve('key_1'), misses.resolve('key_1')]
    await Promise.resolve()
    expect(waiting.size).toBe(1)
    waiting.get('key_1')?.resolve(true)
    expect(await Promise.all(both)).toEqual(['changed', 'changed'])
  })

  it('are few at once, wait their turn, and fail beyond the queue', async () => {
    const { waiting, resolve } = gate()
    const misses = new MissResolver({ resolve, mostAtOnce: 2, mostWaiting: 1 })
    const answers = [1, 2, 3, 4].map((number) => misses.resolve(`key_${number}`))
    expect(await answers[3]).toBe('failed')
    expect([...waiting.keys()]).toEqual(['key_1', 'key_2'])
    waiting.get('key_1')?.resolve(false)
    expect(await answers[0]).toBe('unchanged')
    await Promise.resolve()
    expect([...waiting.keys()]).toEqual(['key_1', 'key_2', 'key_3'])
    waiting.get('key_2')?.reject(new Error('away'))
    waiting.get('key_3')?.resolve(true)
    expect(await Promise.all(answers.slice(1, 3))).toEqual(['failed', 'changed'])
  })

  it('that take too long have failed', async () => {
    const misses = new MissResolver({ resolve: () => new Promise(() => {}), deadlineMs: 5 })
    expect(await misses.resolve('key_1')).toBe('failed')
  })

  it('remember a bounded number of answers', async () => {
    const misses = new MissResolver({ resolve: async () => false, mostRemembered: 3 })
    for (let number = 0; number < 10; number++) await misses.resolve(`key_${number}`)
    expect(misses.remembered).toBe(3)
  })
})
