import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BucketLimit, TokenBucket } from '../../../src/modules/gateway/token-bucket.ts'

const NOON = Date.UTC(2026, 0, 1, 12)
const limitOf = (limit: number, windowMs: number): BucketLimit => ({ name: 'key', limit, windowMs })

/** Takes as many calls as pass at this moment. */
function drain(bucket: TokenBucket, limit: BucketLimit, now: number): number {
  let passed = 0
  for (bucket.refill(limit, now); bucket.admits(); passed++) bucket.take()
  return passed
}

describe('a token bucket', () => {
  it.each([1, 2, 7, 60, 1000])('passes %i calls at once and not one more', (calls) => {
    const limit = limitOf(calls, 60_000)
    const bucket = new TokenBucket(limit, NOON)
    expect(drain(bucket, limit, NOON)).toBe(calls)
    expect(bucket.remaining()).toBe(0)
  })

  it('refills smoothly: one call after its share of the window, not a millisecond earlier', () => {
    const limit = limitOf(10, 1_000)
    const bucket = new TokenBucket(limit, NOON)
    drain(bucket, limit, NOON)
    expect(drain(bucket, limit, NOON + 99)).toBe(0)
    expect(bucket.millisecondsToNext()).toBe(1)
    expect(drain(bucket, limit, NOON + 100)).toBe(1)
    expect(drain(bucket, limit, NOON + 350)).toBe(2)
    expect(drain(bucket, limit, NOON + 399)).toBe(0)
    expect(drain(bucket, limit, NOON + 400)).toBe(1)
  })

  it('is exact where the share of a call is no whole millisecond', () => {
    const limit = limitOf(7, 60_000)
    const bucket = new TokenBucket(limit, NOON)
    drain(bucket, limit, NOON)
    expect(bucket.millisecondsToNext()).toBe(8_572)
    expect(drain(bucket, limit, NOON + 8_571)).toBe(0)
    expect(drain(bucket, limit, NOON + 8_572)).toBe(1)
    // Asking every millisecond gains nothing over asking once.
    let passed = 1
    for (let at = 8_573; at <= 60_000; at++) passed += drain(bucket, limit, NOON + at)
    expect(passed).toBe(7)
  })

  it('never holds more than its limit', () => {
    const limit = limitOf(3, 1_000)
    const bucket = new TokenBucket(limit, NOON)
    drain(bucket, limit, NOON)
    expect(drain(bucket, limit, NOON + 86_400_000)).toBe(3)
  })

  it('gives nothing for a clock that goes back and forth', () => {
    const limit = limitOf(10, 1_000)
    const bucket = new TokenBucket(limit, NOON)
    drain(bucket, limit, NOON)
    expect(drain(bucket, limit, NOON - 5_000)).toBe(0)
    expect(drain(bucket, limit, NOON)).toBe(0)
  })

  it('admits nothing at a limit of 0 and says to wait a window', () => {
    const limit = limitOf(0, 60_000)
    const bucket = new TokenBucket(limit, NOON)
    expect(drain(bucket, limit, NOON + 600_000)).toBe(0)
    expect(bucket.millisecondsToNext()).toBe(60_000)
  })

  it('keeps the calls already taken when the limit changes', () => {
    const small = limitOf(10, 1_000)
    const large = limitOf(100, 60_000)
    const bucket = new TokenBucket(small, NOON)
    drain(bucket, small, NOON)
    expect(drain(bucket, large, NOON)).toBe(90)
    expect(drain(bucket, small, NOON)).toBe(0)
  })

  it('is full, and so may be forgotten, only once every call is given back', () => {
    const limit = limitOf(10, 1_000)
    const bucket = new TokenBucket(limit, NOON)
    bucket.take()
    expect(bucket.isFullAt(NOON + 99)).toBe(false)
    expect(bucket.millisecondsToFull()).toBe(100)
    expect(bucket.isFullAt(NOON + 100)).toBe(true)
  })

  it('never passes more than limit + refill in any stretch of time', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 200 })
    const limits = fc.record({
      limit: fc.integer({ min: 1, max: 20 }),
      windowMs: fc.integer({ min: 1, max: 10_000 }),
    })
    fc.assert(
      fc.property(limits, steps, ({ limit, windowMs }, waits) => {
        const own = limitOf(limit, windowMs)
        const bucket = new TokenBucket(own, NOON)
        const passedAt: number[] = []
        let now = NOON
        for (const wait of waits) {
          now += wait
          bucket.refill(own, now)
          if (!bucket.admits()) continue
          bucket.take()
          passedAt.push(now)
        }
        for (let first = 0; first < passedAt.length; first++) {
          for (let last = first; last < passedAt.length; last++) {
            const elapsed = (passedAt[last] ?? 0) - (passedAt[first] ?? 0)
            expect(last - first + 1).toBeLessThanOrEqual(limit + (elapsed * limit) / windowMs)
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('refuses a call only when limit + refill is really used up', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 100 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), steps, (limit, waits) => {
        const own = limitOf(limit, 1_000)
        const bucket = new TokenBucket(own, NOON)
        let now = NOON
        for (const wait of waits) {
          now += wait
          bucket.refill(own, now)
          if (bucket.admits()) {
            expect(bucket.millisecondsToNext()).toBe(0)
            bucket.take()
            continue
          }
          const share = bucket.millisecondsToNext()
          expect(share).toBeGreaterThan(0)
          bucket.refill(own, now + share - 1)
          expect(bucket.admits()).toBe(false)
          now += share
          bucket.refill(own, now)
          expect(bucket.admits()).toBe(true)
        }
      }),
    )
  })
})
