import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { generateApiKey } from '#lib/api-key'
import { problemBody } from '../../../src/modules/gateway/authorize-refusal.ts'
import { addKey, DAY, edgeWith, monthlyQuota, NOON, passes, refused } from './authorize-fixture.ts'

describe('who may call', () => {
  it('admits an active key of an active subscription and names both', () => {
    const edge = edgeWith()
    expect(edge.call()).toEqual({
      admitted: true,
      keyId: edge.key.id,
      subscriptionId: 'sub_11111111111111111111111111111111',
      rateLimit: '',
      rateLimitPolicy: '',
    })
  })

  it.each([null, ''])('asks for a key when it gets %j', (text) => {
    expect(refused(edgeWith().call(NOON, text))).toMatchObject({ status: 401, code: 'key_missing' })
  })

  it('answers an unknown id, a wrong secret, another API and junk with the same words', () => {
    const edge = edgeWith()
    const { id } = edge.generated
    const other = generateApiKey(randomBytes)
    const wrongSecret = forge(id, other.secret)
    const refusals = [
      refused(edge.call(NOON, other.key)),
      refused(edge.call(NOON, wrongSecret)),
      refused(edge.call(NOON, edge.generated.key, 'api_2')),
      refused(edge.call(NOON, edge.generated.key, null)),
      refused(edge.call(NOON, `${edge.generated.key.slice(0, -1)}-`)),
    ]
    const bodies = refusals.map((refusal) => problemBody(refusal, 'req_1'))
    expect(new Set(bodies).size).toBe(1)
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ status: 401, code: 'key_not_accepted' })
    for (const { keyId, subscriptionId } of refusals) {
      expect([keyId, subscriptionId]).toEqual([null, null])
    }
  })

  it('explains what became of a key only to whoever knows its secret, and lets nothing pass', () => {
    const explained = (edge: ReturnType<typeof edgeWith>, key: string | null, apiId = 'api_1') =>
      edge.authorizer.explain({ key, apiId }, NOON).code
    const edge = edgeWith()
    const { key, id } = edge.generated
    const stranger = generateApiKey(randomBytes)
    expect(explained(edge, key)).toBe('key_pending')
    expect(explained(edge, key, 'api_2')).toBe('key_of_another_api')
    for (const text of [null, 'junk', stranger.key, forge(id, stranger.secret)])
      expect(explained(edge, text)).toBe('key_not_accepted')
    const revoked = edgeWith({ key: { status: 'revoked' } })
    expect(explained(revoked, revoked.generated.key)).toBe('key_revoked')
    const expired = edgeWith({ key: { expiresAt: NOON } })
    expect(explained(expired, expired.generated.key)).toBe('key_expired')
    const paused = edgeWith({ subscription: { status: 'paused' } })
    expect(explained(paused, paused.generated.key)).toBe('subscription_inactive')
  })

  it('accepts the secret that is stored now, not the one before', () => {
    const edge = edgeWith()
    const next = generateApiKey(randomBytes)
    edge.state.upsertKey({ ...edge.key, secretHash: next.hash })
    expect(edge.call().admitted).toBe(false)
    expect(edge.call(NOON, forge(edge.generated.id, next.secret)).admitted).toBe(true)
  })

  it.each([
    ['pending', null, 401, 'key_pending'],
    ['failed_sync', null, 401, 'key_pending'],
    ['revoked', null, 401, 'key_revoked'],
    ['expired', null, 401, 'key_expired'],
    ['active', NOON, 401, 'key_expired'],
    ['rotating', NOON, 401, 'key_expired'],
  ] as const)('refuses a key that is %s (until %s)', (status, expiresAt, http, code) => {
    const edge = edgeWith({ key: { status, expiresAt } })
    expect(refused(edge.call())).toMatchObject({ status: http, code, keyId: edge.key.id })
  })

  it.each(['active', 'rotating'] as const)('admits a key that is %s before its end', (status) => {
    expect(edgeWith({ key: { status, expiresAt: NOON + 1 } }).call().admitted).toBe(true)
  })

  it.each(['active', 'trialing', 'past_due'])('admits a subscription that is %s', (status) => {
    expect(edgeWith({ subscription: { status } }).call().admitted).toBe(true)
  })

  it.each([
    ['unpaid', 402, 'subscription_unpaid'],
    ['suspended', 402, 'subscription_unpaid'],
    ['canceled', 403, 'subscription_inactive'],
    ['paused', 403, 'subscription_inactive'],
  ])('refuses a subscription that is %s', (status, http, code) => {
    expect(refused(edgeWith({ subscription: { status } }).call())).toMatchObject({
      status: http,
      code,
    })
  })

  it('refuses the call that would pass the spend cap, says both amounts, and goes on when it is raised', () => {
    const cap = { units: 3, amount: 500, spend: 480, currency: 'EUR' }
    const edge = edgeWith({ subscription: { cap } })
    expect(passes(() => edge.call(), 9)).toBe(3)
    const refusal = refused(edge.call())
    expect(refusal).toMatchObject({ status: 402, code: 'spend_cap_reached', retryAfter: null })
    const body = JSON.parse(problemBody(refusal, null))
    expect(body).toMatchObject({ spendCap: 500, spend: 480, currency: 'EUR' })
    edge.state.upsertSubscription({ ...edge.subscription, cap: { ...cap, units: 5 } })
    expect(passes(() => edge.call(), 9)).toBe(2)
    edge.state.upsertSubscription({ ...edge.subscription, cap: null })
    expect(edge.call().admitted).toBe(true)
  })

  it('refuses a key whose subscription was never brought, and again once it is taken out', () => {
    const edge = edgeWith({ key: { subscriptionId: 'sub_22222222222222222222222222222222' } })
    expect(refused(edge.call())).toMatchObject({ status: 403, lookUp: edge.key.id })
    edge.state.upsertSubscription({
      ...edge.subscription,
      id: 'sub_22222222222222222222222222222222',
    })
    expect(edge.call().admitted).toBe(true)
    edge.state.removeSubscription('sub_22222222222222222222222222222222')
    expect(refused(edge.call()).status).toBe(403)
  })
})

describe('rate limits', () => {
  const perKey = { scope: 'key', limit: 5, windowSeconds: 10 } as const
  const perSubscription = { scope: 'subscription', limit: 8, windowSeconds: 60 } as const

  it('passes N calls, refuses the next, and lets one more in after its share of the window', () => {
    const edge = edgeWith({ subscription: { rateLimits: [perKey] } })
    expect(passes(() => edge.call(), 5)).toBe(5)
    const sixth = refused(edge.call())
    expect(sixth).toMatchObject({ status: 429, code: 'rate_limited', retryAfter: 2 })
    expect(sixth.violatedPolicies).toEqual(['key'])
    expect(edge.call(NOON + 1_999).admitted).toBe(false)
    expect(passes(() => edge.call(NOON + 2_000), 3)).toBe(1)
  })

  const windows = [1, 60, 3_600, 86_400]
  const scopes = ['key', 'subscription'] as const
  it.each(windows.flatMap((window) => scopes.map((scope) => [scope, window] as const)))(
    'is exact per %s and window of %d s: N pass, N + 1 does not, and each share of the window gives one back',
    (scope, windowSeconds) => {
      const edge = edgeWith({ subscription: { rateLimits: [{ scope, limit: 20, windowSeconds }] } })
      const share = (windowSeconds * 1_000) / 20
      expect(passes(() => edge.call(), 21)).toBe(20)
      expect(refused(edge.call())).toMatchObject({
        ...{ code: 'rate_limited', violatedPolicies: [scope] },
        retryAfter: Math.ceil(share / 1_000),
      })
      expect(edge.call(NOON + share - 1).admitted).toBe(false)
      for (let call = 1; call <= 20; call++)
        expect(passes(() => edge.call(NOON + call * share), 2)).toBe(1)
      expect(passes(() => edge.call(NOON + 3 * windowSeconds * 1_000), 21)).toBe(20)
    },
  )

  it('limits each key on its own, and all keys of a subscription together', () => {
    const edge = edgeWith({ subscription: { rateLimits: [perKey, perSubscription] } })
    const second = addKey(edge.state)
    expect(passes(() => edge.call(), 6)).toBe(5)
    expect(passes(() => edge.call(NOON, second), 6)).toBe(3)
    const shared = refused(edge.call(NOON, second))
    expect(shared).toMatchObject({ retryAfter: 8, violatedPolicies: ['subscription'] })
    expect(refused(edge.call()).violatedPolicies).toEqual(['key', 'subscription'])
  })

  it('takes nothing from the other limit when one refuses', () => {
    const edge = edgeWith({ subscription: { rateLimits: [perKey, perSubscription] } })
    const second = addKey(edge.state)
    expect(passes(() => edge.call(), 100)).toBe(5)
    // The refusals of the first key left the subscription its three calls.
    expect(passes(() => edge.call(NOON, second), 100)).toBe(3)
    // And those of the subscription left the second key its two.
    edge.state.upsertSubscription({ ...edge.subscription, rateLimits: [perKey] })
    expect(passes(() => edge.call(NOON, second), 100)).toBe(2)
  })

  it('says Retry-After 1 at least', () => {
    const rateLimits = [{ scope: 'key', limit: 1000, windowSeconds: 1 }] as const
    const edge = edgeWith({ subscription: { rateLimits } })
    passes(() => edge.call(), 1000)
    expect(refused(edge.call()).retryAfter).toBe(1)
  })

  it('holds several windows of one scope apart by name', () => {
    const rateLimits = [perKey, { scope: 'key', limit: 2, windowSeconds: 1 }] as const
    const edge = edgeWith({ subscription: { rateLimits } })
    expect(passes(() => edge.call(), 3)).toBe(2)
    expect(refused(edge.call()).violatedPolicies).toEqual(['key-1s'])
    expect(edge.call(NOON + 500)).toMatchObject({
      rateLimit: '"key-10s";r=2;t=6, "key-1s";r=0;t=1',
      rateLimitPolicy: '"key-10s";q=5;w=10, "key-1s";q=2;w=1',
    })
  })

  it('states limits and quota in the RateLimit fields, on passes and refusals', () => {
    const subscription = { rateLimits: [perKey, perSubscription], quota: monthlyQuota(1000) }
    const edge = edgeWith({ subscription })
    const policy = `"key";q=5;w=10, "subscription";q=8;w=60, "quota";q=1000;w=${31 * 86_400}`
    expect(edge.call()).toMatchObject({
      rateLimit: `"key";r=4;t=2, "subscription";r=7;t=8, "quota";r=999;t=${17 * 86_400}`,
      rateLimitPolicy: policy,
    })
    passes(() => edge.call(), 4)
    expect(refused(edge.call())).toMatchObject({
      rateLimit: `"key";r=0;t=2, "subscription";r=3;t=38, "quota";r=995;t=${17 * 86_400}`,
      rateLimitPolicy: policy,
    })
  })
})

describe('quota', () => {
  it('refuses beyond a hard quota until the period ends', () => {
    const edge = edgeWith({ subscription: { quota: monthlyQuota(3) } })
    expect(passes(() => edge.call(), 5)).toBe(3)
    expect(refused(edge.call())).toMatchObject({
      status: 429,
      code: 'quota_exhausted',
      retryAfter: (17 * DAY) / 1000,
      violatedPolicies: ['quota'],
    })
  })

  it('lets a soft quota pass and shows nothing left', () => {
    const edge = edgeWith({ subscription: { quota: monthlyQuota(3, false) } })
    expect(passes(() => edge.call(), 5)).toBe(5)
    expect(edge.call()).toMatchObject({ rateLimit: expect.stringContaining('"quota";r=0;') })
  })

  it('takes nothing from the rate limit when it refuses, nor the other way about', () => {
    const rateLimits = [{ scope: 'key', limit: 4, windowSeconds: 60 }] as const
    const edge = edgeWith({ subscription: { rateLimits, quota: monthlyQuota(3) } })
    expect(passes(() => edge.call(), 9)).toBe(3)
    edge.state.upsertSubscription({ ...edge.subscription, quota: monthlyQuota(10) })
    expect(passes(() => edge.call(), 9)).toBe(1)
    expect(edge.call(NOON + 15_000)).toMatchObject({
      rateLimit: expect.stringContaining('"quota";r=5;'),
    })
  })
})

/** A key with the given parts and the right checksum: what somebody can make who knows an id. */
function forge(id: string, secret: string): string {
  const text = id + secret
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  const bytes = [...text].map((character) => digits.indexOf(character))
  return generateApiKey((count) => Uint8Array.from(bytes.splice(0, count))).key
}
