import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomBase62 } from '#lib/base62'
import { KeyTable } from '../../../src/modules/gateway/authorize-keys.ts'
import { addKey, DAY, edgeWith, month, monthlyQuota, NOON, passes } from './authorize-fixture.ts'

describe('an end that is arranged', () => {
  it('is kept to the millisecond, before any job has written it down', () => {
    const period = { ...month(), end: NOON + 1_000 }
    const edge = edgeWith({ subscription: { period, endsWithPeriod: true } })
    expect(edge.call(NOON + 999).admitted).toBe(true)
    expect(edge.call(NOON + 1_000)).toMatchObject({ code: 'subscription_inactive' })
  })

  it('is given up when it is withdrawn', () => {
    const period = { ...month(), end: NOON + 1_000 }
    const edge = edgeWith({ subscription: { period, endsWithPeriod: true } })
    edge.state.upsertSubscription({ ...edge.subscription, endsWithPeriod: false })
    expect(edge.call(NOON + 1_000).admitted).toBe(true)
  })
})

describe('the estimate of quota used', () => {
  const quotaOf = (limit: number) => ({ subscription: { quota: monthlyQuota(limit) } })

  it('starts from the ledger', () => {
    const edge = edgeWith({
      subscription: { quota: monthlyQuota(10), ledger: { calls: 9, units: 7 } },
    })
    expect(passes(() => edge.call(), 9)).toBe(3)
  })

  it('counts a call once, before and after the ledger shows it', () => {
    const edge = edgeWith(quotaOf(10))
    passes(() => edge.call(), 4)
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 3, units: 3 },
    )
    expect(passes(() => edge.call(), 3)).toBe(3)
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 7, units: 7 },
    )
    expect(passes(() => edge.call(), 9)).toBe(3)
  })

  it('gives calls that are not billed back', () => {
    const edge = edgeWith(quotaOf(5))
    expect(passes(() => edge.call(), 9)).toBe(5)
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 5, units: 3 },
    )
    expect(passes(() => edge.call(), 9)).toBe(2)
  })

  it('counts what other edges passed as soon as the ledger shows it, and never below the ledger', () => {
    const edge = edgeWith(quotaOf(20))
    passes(() => edge.call(), 2)
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 12, units: 12 },
    )
    expect(passes(() => edge.call(), 99)).toBe(8)
  })

  it('is not put off by a count that goes back and comes again', () => {
    const edge = edgeWith(quotaOf(10))
    passes(() => edge.call(), 4)
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 2, units: 2 },
    )
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 0, units: 2 },
    )
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 2, units: 2 },
    )
    expect(passes(() => edge.call(), 99)).toBe(6)
  })

  it('survives a reload of the subscription', () => {
    const edge = edgeWith(quotaOf(10))
    passes(() => edge.call(), 4)
    edge.state.upsertSubscription(edge.subscription)
    expect(passes(() => edge.call(), 99)).toBe(6)
  })

  it('starts anew with the period', () => {
    const edge = edgeWith(quotaOf(3))
    expect(passes(() => edge.call(), 9)).toBe(3)
    edge.state.upsertSubscription({
      ...edge.subscription,
      period: month('per_22222222222222222222222222222222'),
      ledger: { calls: 1, units: 1 },
    })
    expect(passes(() => edge.call(), 9)).toBe(2)
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 50, units: 50 },
    )
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_22222222222222222222222222222222',
      { calls: 3, units: 1 },
    )
    expect(passes(() => edge.call(), 9)).toBe(2)
  })

  it('rolls over by itself when the loader is late, and counts those calls in the new period', () => {
    const edge = edgeWith(quotaOf(3))
    const next = NOON + 17 * DAY
    expect(passes(() => edge.call(next - 1), 9)).toBe(3)
    expect(passes(() => edge.call(next), 9)).toBe(3)
    edge.state.recordLedger(
      'sub_11111111111111111111111111111111',
      'per_11111111111111111111111111111111',
      { calls: 3, units: 3 },
    )
    expect(edge.call(next).admitted).toBe(false)
    const period = { id: 'per_22222222222222222222222222222222', start: next, end: next + DAY }
    edge.state.upsertSubscription({
      ...edge.subscription,
      quota: monthlyQuota(5),
      period,
      ledger: { calls: 2, units: 2 },
    })
    expect(passes(() => edge.call(next), 9)).toBe(2)
  })

  it('with two edges is sold over by no more than what the ledger has not shown yet', () => {
    const limit = 50
    const batch = fc.record({
      edge: fc.constantFrom(0, 1),
      calls: fc.integer({ min: 1, max: 20 }),
      ship: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 30 }), (batches) => {
        const edges = [edgeWith(quotaOf(limit)), edgeWith(quotaOf(limit))]
        let authorised = 0
        let mostUnshown = 0
        let shown = 0
        for (const { edge, calls, ship } of batches) {
          const asked = edges[edge]
          authorised += passes(() => asked?.call() ?? never(), calls)
          mostUnshown = Math.max(mostUnshown, authorised - shown)
          if (!ship) continue
          shown = authorised
          const ledger = { calls: shown, units: shown }
          for (const { state } of edges)
            state.recordLedger(
              'sub_11111111111111111111111111111111',
              'per_11111111111111111111111111111111',
              ledger,
            )
        }
        expect(authorised).toBeLessThanOrEqual(limit + mostUnshown)
      }),
    )
  })
})

describe('memory', () => {
  const rateLimits = [
    { scope: 'key', limit: 10, windowSeconds: 10 },
    { scope: 'subscription', limit: 100, windowSeconds: 10 },
  ] as const

  it('forgets buckets once they are full again, and only then', () => {
    const edge = edgeWith({ subscription: { rateLimits } })
    passes(() => edge.call(), 10)
    expect(edge.state.limitedCount).toBe(2)
    expect(edge.state.sweep(NOON + 999)).toBe(0)
    expect(edge.call(NOON + 999).admitted).toBe(false)
    expect(edge.state.sweep(NOON + 1_000)).toBe(1)
    expect(edge.state.sweep(NOON + 10_000)).toBe(1)
    expect(edge.state.limitedCount).toBe(0)
    expect(passes(() => edge.call(NOON + 10_000), 11)).toBe(10)
  })

  it('looks at a bounded number of holders a sweep and goes on where it stopped', () => {
    const edge = edgeWith({ subscription: { rateLimits } })
    const keys = Array.from({ length: 30 }, () => addKey(edge.state))
    for (const key of keys) edge.call(NOON, key)
    const forgotten = [1, 2, 3, 4].map(() => edge.state.sweep(NOON + DAY, 10))
    // The one subscription and the first ten keys, then the others.
    expect(forgotten).toEqual([11, 10, 10, 0])
  })

  it('lets removed keys and subscriptions go', () => {
    const edge = edgeWith({ subscription: { rateLimits } })
    edge.call()
    edge.state.removeSubscription('sub_11111111111111111111111111111111')
    expect(edge.state.subscriptionCount).toBe(1)
    edge.state.removeKey(edge.key.id)
    const { keyCount, subscriptionCount, limitedCount } = edge.state
    expect([keyCount, subscriptionCount, limitedCount]).toEqual([0, 0, 0])
    expect(edge.call()).toMatchObject({ code: 'key_not_accepted', lookUp: edge.key.id })
  })

  it('moves a key to another subscription', () => {
    const edge = edgeWith()
    edge.state.upsertSubscription({
      ...edge.subscription,
      id: 'sub_22222222222222222222222222222222',
    })
    edge.state.upsertKey({ ...edge.key, subscriptionId: 'sub_22222222222222222222222222222222' })
    edge.state.removeSubscription('sub_11111111111111111111111111111111')
    expect(edge.state.subscriptionCount).toBe(1)
    expect(edge.call()).toMatchObject({
      admitted: true,
      subscriptionId: 'sub_22222222222222222222222222222222',
    })
  })

  it('refuses a record that is not one', () => {
    const edge = edgeWith()
    expect(() => edge.state.upsertKey({ ...edge.key, id: 'key_short' })).toThrow(RangeError)
    const secretHash = new Uint8Array(31)
    expect(() => edge.state.upsertKey({ ...edge.key, secretHash })).toThrow(RangeError)
  })
})

describe('the key table', () => {
  it('behaves like a map under any adding and removing', () => {
    const ids = Array.from({ length: 40 }, () => randomBase62(12, randomBytes))
    const digestOf = (id: string) => createHash('sha256').update(id).digest()
    const step = fc.record({ add: fc.boolean(), which: fc.nat({ max: ids.length - 1 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new KeyTable()
        const model = new Map<string, number>()
        for (const { add, which } of steps) {
          const id = ids[which] ?? ''
          if (!add) table.remove(id)
          else if (!model.has(id)) model.set(id, table.add(id, digestOf(id)))
          if (!add) model.delete(id)
        }
        expect(table.size).toBe(model.size)
        for (const id of ids) {
          const slot = table.find(id)
          expect(slot).toBe(model.get(id) ?? -1)
          const words = new Uint32Array(new Uint8Array(digestOf(id)).buffer)
          expect(table.matches(slot, words)).toBe(model.has(id))
        }
      }),
    )
  })

  it('grows, and finds among thousands', () => {
    const table = new KeyTable()
    const ids = Array.from({ length: 5_000 }, () => randomBase62(12, randomBytes))
    const slots = ids.map((id) => table.add(id, randomBytes(32)))
    expect(ids.map((id) => table.find(id))).toEqual(slots)
    expect(table.find(randomBase62(12, randomBytes))).toBe(-1)
  })
})

function never(): never {
  throw new Error('no such edge')
}
