import type { LookupAddress } from 'node:dns'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Post, postOutside } from '#infra/outbound'
import { answering, resetting, silent, WebhookReceiver } from '#test/webhook-receiver'

let receiver: WebhookReceiver
beforeAll(async () => {
  receiver = await WebhookReceiver.start()
})
afterAll(() => receiver.stop())
beforeEach(() => {
  receiver.received.length = 0
  receiver.behave = answering(200)
})

const post = (url: string, options: Partial<Post> = {}) =>
  postOutside(new URL(url), {
    headers: { 'content-type': 'application/json', 'x-mark': '1' },
    body: '{"a":"ä"}',
    policy: { allowPrivate: true, ownPorts: [] },
    ...{ timeoutMs: 5_000, answerLimit: 20 },
    ...options,
  })
const STRICT = { allowPrivate: false, ownPorts: [] }

/** A name server that gives these answers. */
const resolvingTo = (...addresses: string[]) =>
  ((_name: string, _options: object, done: (error: null, found: LookupAddress[]) => void) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as unknown as NonNullable<Post['resolve']>

test('posts body and headers, and reads the beginning of the answer', async () => {
  receiver.behave = answering(201, {}, 'x'.repeat(100_000))
  expect(await post(receiver.url)).toEqual({ status: 201, body: 'x'.repeat(20) })
  expect(receiver.received).toMatchObject([
    { path: '/hook?from=veil', body: '{"a":"ä"}', headers: { 'x-mark': '1' } },
  ])
})

test('an endless answer is left after its beginning', async () => {
  receiver.behave = (_request, response) => {
    response.on('error', () => undefined)
    const pour = () => {
      while (!response.destroyed && response.write('y'.repeat(65_536)));
    }
    response.on('drain', pour)
    pour()
  }
  expect(await post(receiver.url)).toEqual({ status: 200, body: 'y'.repeat(20) })
})

test('a redirect is an answer, and its target is not called', async () => {
  receiver.behave = answering(307, { location: receiver.url })
  expect(await post(receiver.url)).toMatchObject({ status: 307 })
  expect(receiver.received).toHaveLength(1)
})

test.each([
  ['says nothing', silent, 'no answer within 0.3 seconds'],
  [
    'does not come to an end',
    (_request: unknown, response: { write(text: string): void }) => response.write('x'),
    'no answer within 0.3 seconds',
  ],
  ['hangs up', resetting, 'ECONNRESET'],
])('a receiver that %s is no answer', async (_what, behave, reason) => {
  receiver.behave = behave as typeof receiver.behave
  await expect(post(receiver.url, { timeoutMs: 300 })).rejects.toMatchObject({
    name: 'PostFailed',
    message: expect.stringContaining(reason),
  })
})

test('nobody listening, no such name and no TLS are no answers', async () => {
  const gone = await WebhookReceiver.start()
  const { url } = gone
  await gone.stop()
  const https = receiver.url.replace('http:', 'https:')
  const error = Object.assign(new Error('getaddrinfo ENOTFOUND nobody.example'), {
    code: 'ENOTFOUND',
  })
  const resolve = ((_name: string, _options: object, done: (error: Error) => void) =>
    done(error)) as unknown as NonNullable<Post['resolve']>
  await expect(post(url)).rejects.toMatchObject({ name: 'PostFailed' })
  await expect(post(https)).rejects.toMatchObject({ name: 'PostFailed' })
  await expect(post('http://nobody.example', { resolve })).rejects.toThrow('ENOTFOUND')
})

test('the connection goes to the address that was checked, under the name that was given', async () => {
  const url = `http://hooks.example:${receiver.port}/x`
  const resolve = resolvingTo('127.0.0.1')
  expect(await post(url, { resolve })).toMatchObject({ status: 200 })
  expect(receiver.received[0]?.headers.host).toBe(`hooks.example:${receiver.port}`)
})

test.each([
  ['127.0.0.1'],
  ['10.0.0.1'],
  ['169.254.169.254'],
  ['::1'],
  ['::ffff:127.0.0.1'],
  ['fd00::1'],
  ['93.184.216.34', '127.0.0.1'],
  [],
])('a public name that leads to %s is not called where that is not permitted', async (...found) => {
  const url = `http://hooks.example:${receiver.port}/`
  const resolve = resolvingTo(...found)
  await expect(post(url, { resolve, policy: STRICT })).rejects.toThrow('not allowed')
  expect(receiver.received).toEqual([])
})

test('our own ports and private addresses are refused by form, whatever was stored once', async () => {
  const policy = { allowPrivate: true, ownPorts: [receiver.port] }
  await expect(post(receiver.url, { policy })).rejects.toThrow('belongs to Veil itself')
  await expect(post(receiver.url, { policy: STRICT })).rejects.toThrow('not reachable')
  const resolve = resolvingTo('127.0.0.1')
  const named = `http://hooks.example:${receiver.port}/`
  await expect(post(named, { policy, resolve })).rejects.toThrow('not allowed')
  expect(receiver.received).toEqual([])
})
