import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { newWebhookSecret, signatureHeaders } from '../../../src/modules/notifications/signature'

const now = new Date()

test('any message is taken by an independent receiver with the secret, and by none without it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uuid(), (text, id) => {
      const secret = newWebhookSecret()
      const body = JSON.stringify({ text: text.toWellFormed() })
      const headers = signatureHeaders([secret], { id, at: now, body })
      expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
      for (const [wrongSecret, wrongBody, wrongId] of [
        [newWebhookSecret(), body, id],
        [secret, `${body} `, id],
        [secret, body, `${id}x`],
      ] as const)
        expect(() =>
          new Webhook(wrongSecret).verify(wrongBody, { ...headers, 'webhook-id': wrongId }),
        ).toThrow()
    }),
    { numRuns: 50 },
  )
})

test('with two secrets a receiver that knows either of them takes it', () => {
  const secrets = [newWebhookSecret(), newWebhookSecret()]
  const headers = signatureHeaders(secrets, { id: 'evt_1', at: now, body: '{}' })
  for (const secret of secrets) expect(new Webhook(secret).verify('{}', headers)).toEqual({})
  expect(() => new Webhook(newWebhookSecret()).verify('{}', headers)).toThrow()
})

test('an old message cannot be played again', () => {
  const secret = newWebhookSecret()
  const at = new Date(now.getTime() - 6 * 60_000)
  const headers = signatureHeaders([secret], { id: 'evt_1', at, body: '{}' })
  expect(() => new Webhook(secret).verify('{}', headers)).toThrow(/timestamp/)
})

test('a secret has the form that libraries expect', () => {
  expect(newWebhookSecret()).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(newWebhookSecret()).not.toBe(newWebhookSecret())
})
