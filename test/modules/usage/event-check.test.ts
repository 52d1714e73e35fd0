import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isCanonicalEvent } from '../../../src/modules/usage/event-check'
import { UsageEventSchema } from '../../../src/modules/usage/events'

const good = {
  id: '0192f7a0-c1d4-7c3e-8f00-a1b2c3d4e5f6',
  gatewayId: 'gateway-1',
  sequence: 1,
  keyId: 'key_9ZkP2mQx7LbT',
  method: 'GET',
  path: '/weather/forecast',
  status: 200,
  durationMs: 12,
  requestBytes: 0,
  responseBytes: 512,
  at: '2026-01-31T12:00:00.000Z',
}

const anything = fc.oneof(
  ...[fc.string(), fc.string({ unit: 'binary' }), fc.integer(), fc.double(), fc.constant(null)],
  ...[fc.constant(undefined), fc.boolean(), fc.date().map(String), fc.uuid()],
  fc.constantFrom(
    '2026-02-29T00:00:00.000Z',
    '2026-04-31T00:00:00.000Z',
    '2026-01-01T24:00:00.000Z',
  ),
  fc.constantFrom(
    '2026-02-28T23:59:60.000Z',
    '2028-02-29T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
  ),
  fc.constantFrom(0, -0, 99, 100, 999, 1_000, 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 1.5),
  fc.constantFrom('key_', 'GET ', 'get', 'G\tT', '/a\u0000', '/\ud800', '/ü', '/a\\b', ''),
)

test('what the quick look takes, the schema takes and leaves as it is', () => {
  expect(isCanonicalEvent(good)).toBe(true)
  const names = Object.keys(good)
  fc.assert(
    fc.property(fc.constantFrom(...names, 'more'), anything, (name, value) => {
      const event = { ...good, [name]: value }
      if (!isCanonicalEvent(event)) return
      expect(UsageEventSchema.parse(event)).toEqual(event)
    }),
    { numRuns: 5_000 },
  )
})

test.each([null, undefined, 'x', 7, [], {}])('%s is no event', (value) => {
  expect(isCanonicalEvent(value)).toBe(false)
})

test('an event that is well formed in another way is left to the schema', () => {
  for (const change of [{ at: '2026-01-31T13:00:00+01:00' }, { id: good.id.toUpperCase() }])
    expect(isCanonicalEvent({ ...good, ...change })).toBe(false)
  const { responseBytes, ...short } = good
  expect(isCanonicalEvent(short)).toBe(false)
  expect(isCanonicalEvent({ ...good, more: 1 })).toBe(false)
})
