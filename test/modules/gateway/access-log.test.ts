import { expect, test } from 'vitest'
import { MalformedAccessLogLine, parseAccessLogLine } from '../../../src/modules/gateway/access-log'

const REQUEST_ID = 'c6f3c1c7-7dbe-4d8c-8216-e4a3f095e1aa'
const entry = (part: Record<string, unknown> = {}) => ({
  level: 'info',
  ts: 1795375526.7235863,
  logger: 'http.log.access.veil',
  msg: 'handled request',
  request: { proto: 'HTTP/1.1', method: 'POST', host: 'g', uri: '/s/p%2Fq' },
  bytes_read: 5,
  user_id: `key_1 api_1 ${REQUEST_ID} 9`,
  duration: 0.25,
  size: 248,
  status: 200,
  ...part,
})
const parse = (part: Record<string, unknown> = {}) =>
  parseAccessLogLine(JSON.stringify(entry(part)))

test('a confirmed call', () => {
  expect(parse()).toEqual({
    requestId: REQUEST_ID,
    keyId: 'key_1',
    apiId: 'api_1',
    method: 'POST',
    path: '/s/p%2Fq',
    status: 200,
    durationMs: 250,
    requestBytes: 5,
    responseBytes: 248,
    at: '2026-11-22T19:25:26.723Z',
  })
})

test('Caddy 2.6 has no bytes_read: the announced length counts', () => {
  const { bytes_read: _, ...old } = entry()
  expect(parseAccessLogLine(JSON.stringify(old))?.requestBytes).toBe(9)
  const silent = { ...old, user_id: `key_1 api_1 ${REQUEST_ID} ` }
  expect(parseAccessLogLine(JSON.stringify(silent))?.requestBytes).toBe(0)
})

test('status 0 of Caddy 2.6 is 101 for an upgrade, else 499: the client hung up', () => {
  const upgrade = { status: 0, user_id: `key_1 api_1 ${REQUEST_ID}  101` }
  expect(parse(upgrade)?.status).toBe(101)
  expect(parse({ status: 0 })?.status).toBe(499)
})

test('a query string is never part of the path', () => {
  const request = { method: 'GET', uri: '/s/p?token=1' }
  expect(parse({ request })?.path).toBe('/s/p')
})

test('a call without a confirmed key is none', () => {
  expect(parse({ user_id: '' })).toBeNull()
})

test.each([
  ['cut off', JSON.stringify(entry()).slice(0, 100)],
  ['empty', ''],
  ['an array', '[]'],
  ['no user_id', JSON.stringify({ ...entry(), user_id: undefined })],
  ['a foreign user_id', JSON.stringify(entry({ user_id: 'bob' }))],
  ['no request', JSON.stringify(entry({ request: null }))],
  ['a negative size', JSON.stringify(entry({ size: -1 }))],
  ['a textual status', JSON.stringify(entry({ status: '200' }))],
  ['an endless ts', JSON.stringify(entry({ ts: 1e300 }))],
])('%s is malformed', (_name, line) => {
  expect(() => parseAccessLogLine(line)).toThrow(MalformedAccessLogLine)
})
