import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PASSWORD, type TestUser, TestVeil } from '#test/veil'
import { answering, holding, resetting, WebhookReceiver } from '#test/webhook-receiver'

const DAY_MS = 86_400_000

let veil: TestVeil
let receiver: WebhookReceiver
let user: TestUser

beforeAll(async () => {
  veil = await TestVeil.start()
})
afterAll(() => veil.stop())
beforeEach(async () => {
  receiver = await WebhookReceiver.start()
  user = await veil.user('consumer', 'provider')
  return () => receiver.stop()
})

const send = (method: string, path: string, body?: unknown, as = user) =>
  veil.request(method, `/webhooks${path}`, { token: as.token, body })
const ok = (method: string, path: string, body?: unknown, as = user) =>
  veil.expectOk(method, `/webhooks${path}`, { token: as.token, body })
const addEndpoint = (body: object = {}, as = user) =>
  ok('POST', '/endpoints', { url: receiver.url, ...body }, as)
const endpointOf = (id: string) => ok('GET', `/endpoints/${id}`)

/** The newest delivery of an endpoint, as soon as it satisfies. */
const newestDelivery = (endpointId: string, satisfies: (delivery: any) => boolean) =>
  veil
    .eventuallyRetried(
      () => ok('GET', `/endpoints/${endpointId}/deliveries`),
      ({ items: [newest] }) => newest !== undefined && satisfies(newest),
    )
    .then(({ items: [newest] }) => newest)
const isOver = ({ state }: { state: string }) => state !== 'pending'

/** Time passes, and the user signs in again. */
async function later(ms: number): Promise<void> {
  veil.clock.advance(ms)
  const body = { email: user.email, password: PASSWORD }
  const { accessToken } = await veil.expectOk('POST', '/auth/login', { body })
  user = { ...user, token: accessToken }
}

let apis = 0
const publish = () =>
  veil.publishedApi(user, { slug: `hooked-${++apis}`, upstreamUrl: 'http://127.0.0.1:9' })

describe('a message', () => {
  test('of each event comes to both sides, signed so that an independent library takes it', async () => {
    const provider = user
    const consumer = await veil.user('consumer')
    const forProvider = await addEndpoint({ url: `${receiver.url}&to=provider` })
    const forConsumer = await addEndpoint({ url: `${receiver.url}&to=consumer` }, consumer)
    const api = await publish()
    const subscription = await veil.subscribe(consumer, api)
    await veil.expectOk('POST', `/api-keys/${subscription.keyId}/revoke`, { token: consumer.token })
    await veil.expectOk('POST', `/provider/apis/${api.id}/unpublish`, { token: provider.token })
    await veil.eventuallyRetried(
      async () => receiver.received.length,
      (messages) => messages === 7,
    )
    const to = (whom: string) => receiver.received.filter(({ path }) => path.endsWith(whom))
    const typesTo = (whom: string) => to(whom).map(({ body }) => JSON.parse(body).type)
    expect(typesTo('provider').sort()).toEqual([
      'api.published',
      'api.removed',
      'subscription.created',
    ])
    expect(typesTo('consumer').sort()).toEqual([
      'api.removed',
      'key.created',
      'key.revoked',
      'subscription.created',
    ])
    for (const [whom, { secret }] of [
      ['provider', forProvider],
      ['consumer', forConsumer],
    ] as const)
      for (const { body, headers } of to(whom)) {
        expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
        expect(headers['webhook-id']).toMatch(/^evt_[0-9a-f]{32}$/)
        expect(headers['content-type']).toBe('application/json')
      }

    const { slug, id } = api
    const about = { id, slug, name: slug }
    const [created] = receiver.of('key.created')
    expect(created).toEqual({
      type: 'key.created',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: {
        key: { id: subscription.keyId, name: 'default', lastFour: subscription.key.slice(-4) },
        subscription: { id: subscription.id },
        ...{ api: about, isFirst: true },
      },
    })
    expect(receiver.of('subscription.created')[0]?.data).toMatchObject({
      ...{ subscription: { id: subscription.id }, api: about, plan: { slug: 'free' } },
    })
    expect(receiver.of('api.removed')[0]?.data).toEqual({ api: about })
    const sent = JSON.stringify(receiver.received)
    expect(sent).not.toContain(subscription.key.slice('veil_'.length + 13))
    expect(sent).not.toContain(consumer.email)
  })

  test('comes only for what the endpoint asked for, and to nobody else', async () => {
    await addEndpoint({ events: ['api.removed'] })
    await addEndpoint({}, await veil.user('provider'))
    const all = await WebhookReceiver.start()
    await addEndpoint({ url: all.url, events: null })
    const { id } = await publish()
    await veil.expectOk('POST', `/provider/apis/${id}/unpublish`, { token: user.token })
    await veil.eventuallyRetried(
      async () => [receiver.received.length, all.received.length],
      ([some, every]) => some === 1 && every === 2,
    )
    await all.stop()
    expect(receiver.of('api.removed')).toHaveLength(1)
  })

  test('of a test says that it is one, and its delivery what became of it', async () => {
    receiver.behave = answering(202, {}, 'x'.repeat(5_000))
    const { id } = await addEndpoint({ events: ['key.created'] })
    const answer = await send('POST', `/endpoints/${id}/test`)
    expect(answer).toMatchObject({
      status: 202,
      body: { type: 'webhook.test', state: 'pending', attempts: 0, lastAttempt: null },
    })
    const delivery = await newestDelivery(id, isOver)
    expect(delivery).toMatchObject({ id: answer.body.id, state: 'succeeded', attempts: 1 })
    expect(delivery).toMatchObject({ lastError: null, lastAttempt: { answerStatus: 202 } })
    expect(delivery.lastAttempt.answerBody).toBe('x'.repeat(2_000))
    expect(receiver.received[0]?.body).toBe(delivery.body)
    expect(receiver.received[0]?.headers['webhook-id']).toBe(delivery.messageId)
  })
})

describe('a receiver in trouble', () => {
  test('gets the same message under the same id until it takes it', async () => {
    let calls = 0
    receiver.behave = (request, response) => {
      calls++
      if (calls === 1) answering(500)(request, response)
      else if (calls === 2) resetting(request, response)
      else answering(200)(request, response)
    }
    const { id } = await addEndpoint()
    await ok('POST', `/endpoints/${id}/test`)
    expect(await newestDelivery(id, isOver)).toMatchObject({ state: 'succeeded', attempts: 3 })
    const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
    const bodies = receiver.received.map(({ body }) => body)
    expect([ids.length, new Set(ids).size, new Set(bodies).size]).toEqual([3, 1, 1])
    expect(await endpointOf(id)).toMatchObject({ status: 'active', failingSince: null })
  })

  test('is given up after all attempts, and its owner may send again; no operator is bothered', async () => {
    receiver.behave = answering(500, {}, 'out of order')
    const { id } = await addEndpoint()
    await ok('POST', `/endpoints/${id}/test`)
    const failed = await newestDelivery(id, isOver)
    expect(failed).toMatchObject({ state: 'failed', attempts: 8 })
    expect(failed.lastAttempt).toMatchObject({ answerStatus: 500, answerBody: 'out of order' })
    expect((await endpointOf(id)).failingSince).toEqual(expect.any(String))
    const letters = await veil.database.sql`select id from dead_letters`
    expect([...letters]).toEqual([])

    receiver.behave = answering(204)
    const again = await send('POST', `/deliveries/${failed.id}/retry`)
    expect(again).toMatchObject({ status: 202, body: { id: failed.id, state: 'pending' } })
    expect(await newestDelivery(id, isOver)).toMatchObject({ state: 'succeeded', attempts: 9 })
    expect(receiver.received.at(-1)?.headers['webhook-id']).toBe(failed.messageId)
    expect(receiver.received.at(-1)?.body).toBe(failed.body)
    await ok('POST', `/deliveries/${failed.id}/retry`)
    await newestDelivery(id, ({ state, attempts }) => state === 'succeeded' && attempts === 10)
  })

  test('that redirects has not taken it, and where it points is not called', async () => {
    const other = await WebhookReceiver.start()
    receiver.behave = answering(302, { location: other.url })
    const { id } = await addEndpoint()
    await ok('POST', `/endpoints/${id}/test`)
    const delivery = await newestDelivery(id, ({ attempts }) => attempts > 0)
    expect(delivery.lastAttempt.answerStatus).toBe(302)
    expect(other.received).toEqual([])
    await other.stop()
  })

  test('that is not there is told of as an error, without an answer', async () => {
    const gone = await WebhookReceiver.start()
    const { id } = await addEndpoint({ url: gone.url })
    await gone.stop()
    await ok('POST', `/endpoints/${id}/test`)
    const { lastAttempt, lastError } = await newestDelivery(id, ({ attempts }) => attempts > 0)
    expect(lastAttempt).toMatchObject({ answerStatus: null, answerBody: null })
    expect(lastError).toContain('ECONNREFUSED')
  })
})

describe('an endpoint is disabled', () => {
  const mailsTo = async (email: string) => {
    const token = (await veil.admin()).token
    const { items } = await veil.expectOk('GET', '/admin/mails?limit=100', { token })
    return items.filter(({ to }: { to: string }) => to === email)
  }

  test('when it answers 410, at once; its owner is told, and may switch it on again', async () => {
    receiver.behave = answering(410)
    const { id } = await addEndpoint()
    await ok('POST', `/endpoints/${id}/test`)
    const delivery = await newestDelivery(id, isOver)
    expect(delivery).toMatchObject({ state: 'failed', attempts: 1 })
    const off = { status: 'disabled', disabledReason: 'gone' }
    expect(await endpointOf(id)).toMatchObject(off)
    const mails = await mailsTo(user.email)
    expect(mails).toMatchObject([{ subject: 'A webhook endpoint of yours was disabled' }])
    expect(mails[0].text).toContain('410')

    for (const path of [`/endpoints/${id}/test`, `/deliveries/${delivery.id}/retry`])
      expect(await send('POST', path)).toMatchObject({
        status: 409,
        body: { code: 'webhook_endpoint_off' },
      })
    // The mail is written with the deliveries: once it is there, there will be none.
    await veil.subscribe(await veil.user('consumer'), await publish())
    await veil.eventuallyRetried(
      () => mailsTo(user.email),
      (written) => written.length === 2,
    )
    receiver.behave = answering(200)
    const on = await ok('PATCH', `/endpoints/${id}`, { status: 'active' })
    expect(on).toMatchObject({ status: 'active', disabledReason: null, failingSince: null })
    await ok('POST', `/endpoints/${id}/test`)
    await newestDelivery(id, ({ state }) => state === 'succeeded')
    // What happened while it was off was not kept for it.
    expect(receiver.of('subscription.created')).toEqual([])
  })

  test('after five days of nothing but failures, and not before; its owner is told once', async () => {
    receiver.behave = answering(503)
    const { id } = await addEndpoint()
    const fail = async () => {
      await ok('POST', `/endpoints/${id}/test`)
      await newestDelivery(id, isOver)
      return endpointOf(id)
    }
    const { failingSince } = await fail()
    await later(4 * DAY_MS)
    expect(await fail()).toMatchObject({ status: 'active', failingSince })
    // A success makes the days count anew.
    receiver.behave = answering(200)
    expect(await fail()).toMatchObject({ status: 'active', failingSince: null })
    receiver.behave = answering(503)
    await fail()
    await later(4 * DAY_MS)
    expect(await fail()).toMatchObject({ status: 'active' })
    await later(DAY_MS)
    const { behave, release } = holding(answering(503))
    receiver.behave = behave
    await Promise.all([1, 2, 3].map(() => ok('POST', `/endpoints/${id}/test`)))
    release()
    await newestDelivery(id, isOver)
    expect(await endpointOf(id)).toMatchObject({ status: 'disabled', disabledReason: 'failing' })
    const { items } = await veil.eventuallyRetried(
      () => ok('GET', `/endpoints/${id}/deliveries`),
      (page) => page.items.every(isOver),
    )
    expect(items.every(({ state }: { state: string }) => state !== 'pending')).toBe(true)
    expect(await mailsTo(user.email)).toHaveLength(1)
  })

  test('by its owner: what still waits is not sent', async () => {
    const { behave, release } = holding(answering(500))
    receiver.behave = behave
    const { id } = await addEndpoint()
    await ok('POST', `/endpoints/${id}/test`)
    const off = await ok('PATCH', `/endpoints/${id}`, { status: 'disabled' })
    expect(off).toMatchObject({ status: 'disabled', disabledReason: 'owner' })
    release()
    const { state, attempts, lastError } = await newestDelivery(id, isOver)
    expect([state, lastError]).toEqual(['failed', 'the endpoint is disabled'])
    expect(attempts).toBeLessThan(2)
    expect(await mailsTo(user.email)).toEqual([])
  })
})

describe('a secret', () => {
  test('that was rotated signs beside the new one for a day', async () => {
    const { id, secret: first } = await addEndpoint()
    const { secret: second, oldSecretUntil } = await ok('POST', `/endpoints/${id}/rotate-secret`)
    expect(second).not.toBe(first)
    expect(oldSecretUntil).toEqual(expect.any(String))
    /** Which of the secrets the newest message is signed with. */
    const signers = async (secrets: string[]) => {
      const before = receiver.received.length
      await ok('POST', `/endpoints/${id}/test`)
      await newestDelivery(id, isOver)
      const { headers, body } = receiver.received[before]!
      const at = new Date(Number(headers['webhook-timestamp']) * 1000)
      const given = headers['webhook-signature']!.split(' ')
      const sign = (secret: string) => new Webhook(secret).sign(headers['webhook-id']!, at, body)
      expect(given.every((one) => secrets.map(sign).includes(one))).toBe(true)
      return secrets.map((secret) => given.includes(sign(secret)))
    }
    expect(await signers([first, second])).toEqual([true, true])
    await later(DAY_MS + 1_000)
    expect(await signers([first, second])).toEqual([false, true])
    const { secret: third } = await ok('POST', `/endpoints/${id}/rotate-secret`)
    const { secret: fourth } = await ok('POST', `/endpoints/${id}/rotate-secret`)
    // Two are valid at a time, never three.
    expect(await signers([second, third, fourth])).toEqual([false, true, true])
  })

  test('is shown when it is made, and found nowhere afterwards', async () => {
    const body = { url: receiver.url }
    const headers = { 'idempotency-key': 'one' }
    const create = () =>
      veil.expectOk('POST', '/webhooks/endpoints', { token: user.token, headers, body })
    const made = await create()
    expect(await create()).toEqual(made)
    expect((await ok('GET', '/endpoints')).items).toHaveLength(1)
    await ok('POST', `/endpoints/${made.id}/test`)
    await newestDelivery(made.id, isOver)
    const secret = made.secret.slice('whsec_'.length)
    const rows = await veil.database.sql`select e::text as text from webhook_endpoints e
      union all select d::text from webhook_deliveries d
      union all select a::text from audit_log a union all select k::text from idempotency_keys k`
    const seen = JSON.stringify([await ok('GET', '/endpoints'), [...rows], veil.logs])
    expect(seen.includes(secret)).toBe(false)
  })
})
