import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawExchange } from '#test/caddy'
import { eventually, PASSWORD, TestVeil } from '#test/veil'
import { HttpFixture } from './fixture'

let veil: TestVeil
let http: HttpFixture
let token: string

beforeAll(async () => {
  veil = await TestVeil.start()
  http = await HttpFixture.start()
  token = (await veil.user('provider')).token
})
afterAll(async () => {
  await veil.stop()
  await http.stop()
})

type Body = NonNullable<RequestInit['body']> | null

const JSON_TYPE = { 'content-type': 'application/json' }
const problemOf = async (response: Response) => {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(response.headers.get('cache-control')).toBe('no-store')
  const problem: any = await response.json()
  expect(problem).toMatchObject({
    ...{ status: response.status, type: `urn:veil:problem:${problem.code}` },
    ...{ title: expect.any(String), detail: expect.any(String) },
    requestId: response.headers.get('x-request-id'),
  })
  return problem
}
const login = (body: Body, headers: Record<string, string> = JSON_TYPE) =>
  fetch(`${veil.url}/auth/login`, { method: 'POST', headers, body })

describe('bodies', () => {
  test.each<[string, Body, Record<string, string>]>([
    ['cut off', '{"email": "a', JSON_TYPE],
    ['empty', '', JSON_TYPE],
    ['none', null, {}],
    ['two values', '{}{}', JSON_TYPE],
    ['single quotes', "{'a': 1}", JSON_TYPE],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), JSON_TYPE],
    ['text', '{}', { 'content-type': 'text/plain' }],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['no type', new Blob(['{}']), {}],
    ['jsonp', '{}', { 'content-type': 'application/jsonp' }],
    ['a multipart form', new FormData(), {}],
  ])('%s: 400', async (_name, body, headers) => {
    const response = await login(body, headers)
    expect(response.status).toBe(400)
    expect(await problemOf(response)).toMatchObject({
      code: 'malformed_body',
      instance: '/auth/login',
    })
  })

  test.each([
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/merge-patch+json',
  ])('%s is JSON', async (type) => {
    const body = JSON.stringify({ email: 'a@example.com', password: PASSWORD })
    expect((await login(body, { 'content-type': type })).status).toBe(401)
  })

  test.each(['null', '[]', '"x"', '1', '{"__proto__": {"email": "a"}}'])(
    '%s has the wrong shape',
    async (body) => {
      const response = await login(body)
      expect(response.status).toBe(422)
      await problemOf(response)
    },
  )

  test('too large is a problem too, said in advance or found out on the way', async () => {
    const large = JSON.stringify({ name: 'x'.repeat(10_000) })
    const chunked = new ReadableStream({
      start: (controller) => {
        for (let at = 0; at < large.length; at += 1000)
          controller.enqueue(new TextEncoder().encode(large.slice(at, at + 1000)))
        controller.close()
      },
    })
    for (const body of [large, chunked]) {
      const headers = { ...JSON_TYPE, authorization: 'ada' }
      const response = await fetch(`${http.url}/things`, { method: 'POST', headers, body })
      expect(response.status).toBe(413)
      expect(await problemOf(response)).toMatchObject({
        code: 'body_too_large',
        detail: expect.stringContaining('10000'),
      })
    }
    expect((await http.send('/things', { body: { name: 'x'.repeat(9_980) } })).status).toBe(201)
    const megabytes = JSON.stringify({ email: 'x'.repeat(5_000_000), password: 'x' })
    expect((await login(megabytes)).status).toBe(413)
  })

  test('of a stranger is not even read', async () => {
    for (const body of ['{bad', 'x'.repeat(20_000)]) {
      const response = await fetch(`${http.url}/things`, {
        method: 'POST',
        headers: JSON_TYPE,
        body,
      })
      expect(response.status).toBe(401)
      expect(await problemOf(response)).toMatchObject({ code: 'token_missing' })
    }
  })

  test('that a route does not ask for is ignored', async () => {
    const response = await fetch(`${veil.url}/auth/logout`, {
      method: 'POST',
      headers: { ...JSON_TYPE, authorization: `Bearer ${(await veil.user('consumer')).token}` },
      body: '{bad',
    })
    expect(response.status).toBe(204)
  })
})

describe('values are never echoed', () => {
  const SECRET = 'hunter2-hunter2'
  test.each<[string, unknown]>([
    ['a password of the wrong type', { email: 'a@example.com', password: [SECRET], name: 'A' }],
    [
      'a password that is too long',
      { email: 'a@example.com', password: SECRET.repeat(30), name: 'A' },
    ],
    ['a misspelt property', { email: 'a@example.com', passwort: SECRET, name: 'A' }],
    ['a password in the place of the email', { email: SECRET, password: SECRET, name: 'A' }],
    ['a role', { email: 'a@example.com', password: 'x'.repeat(12), name: 'A', roles: [SECRET] }],
  ])('%s', async (_name, body) => {
    const response = await veil.request('POST', '/auth/register', { body })
    expect(response.status).toBe(422)
    expect(JSON.stringify(response.body)).not.toContain(SECRET)
    expect(veil.logs.join('')).not.toContain(SECRET)
    expect(response.body.errors[0]).toMatchObject({
      in: 'body',
      pointer: expect.stringMatching(/^\//),
    })
  })

  test('a wrong query and a wrong path are named as such', async () => {
    const { body } = await veil.request('GET', '/provider/apis?limit=many', { token })
    expect(body.errors).toMatchObject([{ in: 'query', pointer: '/limit' }])
    const nul = await veil.request('GET', '/marketplace/apis/a%00b')
    expect(nul).toMatchObject({ status: 422, body: { errors: [{ in: 'path', pointer: '/slug' }] } })
  })
})

describe('what is not there', () => {
  test.each([
    ...[
      '/nowhere',
      '/provider',
      '/auth/login/',
      '/auth//login',
      '/AUTH/LOGIN',
      '/.env',
      '/%2e%2e/etc',
    ],
    ...[
      '/%',
      '/%zz',
      '/%00',
      '/<script>alert(1)</script>',
      '/%3Cscript%3E',
      "/'--",
      '/swagger/../x',
    ],
    ...[
      '/__proto__',
      '/constructor',
      `/${'x'.repeat(5000)}`,
      '/marketplace/apis/a/b/c',
      '/swagger/x.js',
    ],
  ])('GET %s', async (path) => {
    const response = await fetch(veil.url + path)
    const problem = await problemOf(response)
    expect([404, 405]).toContain(response.status)
    expect(problem.code).toBe(response.status === 404 ? 'route_unknown' : 'method_not_allowed')
  })

  test.each<[string, string, string]>([
    ['GET', '/auth/login', 'POST'],
    ['OPTIONS', '/auth/login', 'POST'],
    ['HEAD', '/auth/login', 'POST'],
    ['DELETE', '/auth/me', 'GET, HEAD'],
    ['PATCH', '/provider/apis/x', 'GET, HEAD, PUT, DELETE'],
    ['OPTIONS', '/provider/apis', 'GET, HEAD, POST'],
    ['PROPFIND', '/marketplace/apis', 'GET, HEAD'],
  ])('%s %s: 405 with Allow', async (method, path, allow) => {
    const response = await fetch(veil.url + path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allow)
    if (method !== 'HEAD')
      expect(await problemOf(response)).toMatchObject({ code: 'method_not_allowed' })
  })

  test('HEAD is answered as GET is, without a body', async () => {
    const response = await fetch(`${veil.url}/marketplace/apis`, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
    const refused = await fetch(`${veil.url}/provider/apis`, { method: 'HEAD' })
    expect([refused.status, await refused.text()]).toEqual([401, ''])
  })

  test.each([
    'GET /marketplace/apis/%',
    'GET /marketplace/apis/%E0%A4%A',
    'GET /marketplace/apis?search=%',
    'GET /marketplace/apis?%=%&=&&a[]=1&__proto__=x',
    'GET http://other/auth/me',
    'GET //auth/me',
    'OPTIONS *',
  ])('a raw %s is answered, and not by a 5xx', async (line) => {
    const port = Number(new URL(veil.url).port)
    const answer = await rawExchange(
      port,
      `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 [234]\d\d /)
  })
})

describe('request ids', () => {
  test('are taken over when they are harmless, and made otherwise', async () => {
    const idFor = async (given?: string) => {
      const headers = given === undefined ? {} : { 'x-request-id': given }
      const { headers: answered } = await fetch(`${veil.url}/health/live`, { headers })
      return answered.get('x-request-id')
    }
    for (const fine of ['abcdefgh', 'A-1_b'.repeat(10), 'x'.repeat(64)])
      expect(await idFor(fine)).toBe(fine)
    const made = [undefined, '', 'short', 'x'.repeat(65), 'a b c d e f', '<script>', 'abc{}defg']
    for (const given of made) expect(await idFor(given)).toMatch(/^[0-9a-f]{32}$/)
    expect(await idFor()).not.toBe(await idFor())
  })

  test('lead to the line in the log, with the status that was answered', async () => {
    for (const [path, status] of [
      ['/nowhere', 404],
      ['/auth/me', 401],
      ['/health/live', 200],
    ] as const) {
      const id = `request-to${path.replaceAll('/', '-')}`
      await fetch(veil.url + path, { headers: { 'x-request-id': id } })
      const line = await eventually(
        async () => veil.logs.find((text) => text.includes(id)),
        (text) => text !== undefined,
      )
      expect(JSON.parse(line ?? '')).toMatchObject({
        msg: 'http.answered',
        requestId: id,
        path,
        status,
      })
    }
  })
})

describe('failures of ours', () => {
  test('a wrong answer is 500, and shows nobody what it was', async () => {
    const response = await fetch(`${http.url}/things/wrong-shape`)
    expect(response.status).toBe(500)
    expect(JSON.stringify(await problemOf(response))).not.toContain('swordfish')
    const line = http.logs.find((text) => text.includes('http.failed')) ?? ''
    expect(line).toContain('/key')
    expect(http.logs.join('')).not.toContain('swordfish')
  })

  test('a failed query is 500, and leaks neither SQL nor parameters, to anybody or the log', async () => {
    const doomed = await TestVeil.start()
    try {
      const user = await doomed.user('provider')
      await doomed.container.sql`drop table apis cascade`
      const body = { name: 'Swordfish', slug: 'swordfish', upstreamUrl: 'https://a.example' }
      const answer = await doomed.request('POST', '/provider/apis', { token: user.token, body })
      expect(answer).toMatchObject({ status: 500, body: { code: 'internal_error' } })
      const told = JSON.stringify(answer.body)
      const logged = doomed.logs.filter((line) => line.includes('http.failed'))
      expect(logged).toHaveLength(1)
      expect(JSON.parse(logged[0] ?? '')).toMatchObject({
        requestId: answer.body.requestId,
        err: { message: expect.stringContaining('apis') },
      })
      for (const leak of [/insert into/i, /swordfish/i, /params/i]) {
        expect(told).not.toMatch(leak)
        expect(logged[0]).not.toMatch(leak)
      }
      expect(told).not.toMatch(/apis_|relation|postgres/i)
    } finally {
      await doomed.stop()
    }
  })
})
