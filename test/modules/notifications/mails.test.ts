import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Worker } from '#infra/queue'
import { Notifier } from '#modules/notifications'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { MailServer, type ReceivedMail } from '#test/mail-server'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let mailServer: MailServer
let upstream: TestServer
let admin: TestUser
let count = 0

beforeAll(async () => {
  mailServer = await MailServer.start()
  veil = await TestVeil.start({
    SMTP_URL: mailServer.url,
    MAIL_FROM: 'Veil of Tests <veil@mail.example>',
  })
  upstream = startEchoUpstream('up')
  admin = await veil.admin()
})
afterAll(async () => {
  await veil.stop()
  await mailServer.stop()
  await upstream.stop()
})
afterEach(() => {
  mailServer.refuseRecipient = () => null
  mailServer.refuseText = () => null
  mailServer.hangUpAfter = () => false
})

const publish = (provider: TestUser, name?: string) => {
  const slug = `mailed-${++count}`
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`
  return veil.publishedApi(provider, { slug, upstreamUrl, ...(name && { name }) })
}
const receivedBy = ({ email }: TestUser): ReceivedMail[] =>
  mailServer.received.filter(({ to }) => to.includes(email))
const subjectOf = ({ raw }: ReceivedMail) => /^Subject: (.*)$/m.exec(raw)?.[1]?.trim()
const messageIdOf = ({ raw }: ReceivedMail) => /^Message-ID: <(.*)>/im.exec(raw)?.[1]
const subjects = (user: TestUser) => receivedBy(user).map(subjectOf).sort()

/** What the admin sees of the mails to somebody, oldest first. */
async function storedFor({ email }: TestUser): Promise<any[]> {
  const { items } = await veil.expectOk('GET', '/admin/mails?limit=100', { token: admin.token })
  return items.filter(({ to }: { to: string }) => to === email).reverse()
}

/** Somebody new who has subscribed, and is to get one mail. */
async function oneMail(): Promise<TestUser> {
  const [provider, consumer] = await Promise.all([veil.user('provider'), veil.user('consumer')])
  await veil.subscribe(consumer, await publish(provider))
  return consumer
}

test('everybody concerned is told what happened, and nothing that is secret', async () => {
  const [provider, consumer] = await Promise.all([veil.user('provider'), veil.user('consumer')])
  const api = await publish(provider, 'Wetter für Überall')
  const { id, key, keyId } = await veil.subscribe(consumer, api)
  const { token } = consumer
  const second = await veil.expectOk('POST', '/api-keys', {
    token,
    body: { subscriptionId: id, name: 'laptop' },
  })
  await veil.expectOk('POST', `/api-keys/${keyId}/revoke`, { token })
  await veil.expectOk('POST', `/api-keys/${keyId}/revoke`, { token })
  await veil.expectOk('POST', `/provider/apis/${api.id}/unpublish`, { token: provider.token })

  const told = await veil.eventuallyRetried(
    () => storedFor(consumer),
    (mails) => mails.length === 4 && mails.every(({ state }) => state === 'sent'),
  )
  expect(told.map(({ subject }) => subject).sort()).toEqual([
    'A key for Wetter für Überall was revoked',
    'A new key for Wetter für Überall',
    'Wetter für Überall was taken offline',
    'You are subscribed to Wetter für Überall',
  ])
  const toProvider = await veil.eventuallyRetried(
    () => storedFor(provider),
    (mails) => mails.every(({ state }) => state === 'sent') && mails.length > 0,
  )
  expect(toProvider.map(({ subject }) => subject)).toEqual([
    'Wetter für Überall has a new subscriber',
  ])
  expect(toProvider[0].text).toContain(id)
  expect(told[0].text).toMatch(/^Hello User \d+,\n\n/)

  const mails = receivedBy(consumer)
  expect(mails).toHaveLength(4)
  expect(new Set(mails.map(messageIdOf))).toEqual(
    new Set(told.map((mail) => `${mail.id}@mail.example`)),
  )
  for (const { from, raw } of mails) {
    expect(from).toBe('veil@mail.example')
    expect(raw).toMatch(/^From: Veil of Tests <veil@mail.example>/m)
    expect(raw).toMatch(/^Auto-Submitted: auto-generated/m)
    expect(raw).toMatch(/^Content-Type: text\/plain/m)
  }
  const everything = JSON.stringify([told, toProvider, mailServer.received])
  for (const whole of [key, second.key])
    expect(everything.includes(whole.slice('veil_'.length + 13))).toBe(false)
  expect(veil.logs.join('')).not.toContain(consumer.email)
})

test('a server that asks to come back later gets the mail later, once', async () => {
  const seen = new Map<string, number>()
  mailServer.refuseRecipient = (address) => {
    const times = (seen.get(address) ?? 0) + 1
    seen.set(address, times)
    return times <= 2 ? { status: 451, message: '4.7.1 greylisted, try again' } : null
  }
  const consumer = await oneMail()
  const [mail] = await veil.eventuallyRetried(
    () => storedFor(consumer),
    ([first]) => first?.state === 'sent',
  )
  expect(mail).toMatchObject({ attempts: 3, lastError: null, sentAt: expect.any(String) })
  expect(subjects(consumer)).toEqual(['You are subscribed to mailed-2'])
})

describe('a mail that is refused for good', () => {
  test.each([
    ['the address', 'refuseRecipient', 550, '5.1.1 no such mailbox'],
    ['the text', 'refuseText', 554, '5.7.1 looks like spam'],
  ] as const)(
    'for %s is failed at once, and a dead letter',
    async (_what, refuse, status, message) => {
      const consumer = await veil.user('consumer')
      mailServer[refuse] = (text: string) =>
        text.includes(consumer.email) ? { status, message: `${message} <${consumer.email}>` } : null
      await veil.subscribe(consumer, await publish(await veil.user('provider')))
      const [mail] = await veil.eventuallyRetried(
        () => storedFor(consumer),
        ([first]) => first?.state === 'failed',
      )
      expect(mail).toMatchObject({ attempts: 1, sentAt: null })
      expect(mail.lastError).toContain(message)
      expect(receivedBy(consumer)).toEqual([])
      const letters = await veil.eventuallyRetried(
        async () => [
          ...(await veil.database.sql`select reason from dead_letters
          where type = 'mail.due' and payload->>'mailId' = ${mail.id}`),
        ],
        (rows) => rows.length > 0,
      )
      expect(letters).toEqual([{ reason: expect.stringContaining(`refused for good`) }])
      // The server repeats the address; the log does not.
      expect(veil.logs.join('')).not.toContain(consumer.email)
    },
  )
})

test('while the server is away mails wait, and are sent when it is back', async () => {
  const port = Number(new URL(mailServer.url).port)
  await mailServer.stop()
  const consumer = await oneMail()
  const [waiting] = await veil.eventuallyRetried(
    () => storedFor(consumer),
    ([first]) => first?.lastError,
  )
  expect(waiting).toMatchObject({ state: 'queued', sentAt: null })
  expect(waiting.lastError).toContain('ECONNREFUSED')
  mailServer = await MailServer.start(port)
  const [sent] = await veil.eventuallyRetried(
    () => storedFor(consumer),
    ([first]) => first?.state === 'sent',
  )
  expect(sent.attempts).toBeGreaterThan(1)
  expect(receivedBy(consumer)).toHaveLength(1)
})

test('a server that never comes back makes it a failed mail, and a dead letter', async () => {
  mailServer.refuseRecipient = () => ({ status: 450, message: '4.2.0 try again for ever' })
  const consumer = await oneMail()
  const [mail] = await veil.eventuallyRetried(
    () => storedFor(consumer),
    ([first]) => first?.state === 'failed',
  )
  expect(mail.attempts).toBe(8)
  const [row] = await veil.eventuallyRetried(
    async () => [
      ...(await veil.database.sql`select attempts from dead_letters
        where type = 'mail.due' and payload->>'mailId' = ${mail.id}`),
    ],
    (rows) => rows.length > 0,
  )
  expect(row).toEqual({ attempts: 8 })
})

test('a "taken" that is lost on the way sends a second copy, under the same Message-ID', async () => {
  const [provider, consumer] = await Promise.all([veil.user('provider'), veil.user('consumer')])
  let hangUps = 0
  mailServer.hangUpAfter = (raw) => raw.includes(consumer.email) && ++hangUps === 1
  const api = await publish(provider)
  await veil.subscribe(consumer, api)
  const stored = await veil.eventuallyRetried(
    async () => [...(await storedFor(consumer)), ...(await storedFor(provider))],
    (mails) => mails.length === 2 && mails.every(({ state }) => state === 'sent'),
  )
  const ids = stored.map(({ id }) => `${id}@mail.example`)
  const copies = mailServer.received.map(messageIdOf).filter((id) => ids.includes(id ?? ''))
  expect(copies).toHaveLength(3)
  expect(new Set(copies)).toEqual(new Set(ids))
})

test('T15: an event that is delivered three times, and at once, tells everybody once', async () => {
  const [provider, consumer] = await Promise.all([veil.user('provider'), veil.user('consumer')])
  const api = await publish(provider)
  const { id } = await veil.subscribe(consumer, api)
  await veil.eventuallyRetried(
    () => storedFor(consumer),
    (mails) => mails.length === 1,
  )
  const token = consumer.token
  const endpoint = await veil.expectOk('POST', '/webhooks/endpoints', {
    token,
    body: { url: `http://127.0.0.1:${upstream.port}/hook` },
  })
  const handlers = new Map<string, (payload: unknown, context: unknown) => Promise<void>>()
  const collector = {
    on: (event: { name: string }, handle: never) => void handlers.set(event.name, handle),
  }
  new Notifier(veil.database.db, veil.clock).register(collector as unknown as Worker)
  const event = { id: `evt_${'7'.repeat(32)}` }
  const deliver = () =>
    handlers.get('subscription.created')?.(
      { subscriptionId: id, at: '2026-01-01T00:00:00.000Z' },
      { event },
    )
  await Promise.all([deliver(), deliver()])
  await deliver()

  expect(await storedFor(consumer)).toHaveLength(2)
  expect(await storedFor(provider)).toHaveLength(2)
  const { items } = await veil.expectOk('GET', `/webhooks/endpoints/${endpoint.id}/deliveries`, {
    token,
  })
  expect(items).toMatchObject([{ messageId: event.id, type: 'subscription.created' }])
  await veil.eventuallyRetried(
    async () => receivedBy(consumer).length,
    (mails) => mails === 2,
  )
})
