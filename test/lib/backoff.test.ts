import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoffMs } from '#lib/backoff'

describe('backoff', () => {
  const policy = { baseMs: 50, capMs: 1_000 }
  test.each<[number, number, number]>([
    [1, 0, 0],
    [1, 0.5, 25],
    [1, 0.999999, 49],
    [2, 0.999999, 99],
    [5, 0.999999, 799],
    [6, 0.999999, 999],
    [60, 0.999999, 999],
    [5_000, 0.999999, 999],
  ])('attempt %i with chance %f waits %i ms', (attempt, random, expected) => {
    expect(backoffMs(policy, attempt, random)).toBe(expected)
  })

  test('is an integer within [0, cap], below base × 2^(attempt−1)', () => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    const bounds = fc.integer({ min: 1, max: 100_000 })
    fc.assert(
      fc.property(bounds, bounds, fc.integer({ min: 1, max: 2_000 }), chance, (a, b, n, random) => {
        const [baseMs, capMs] = [Math.min(a, b), Math.max(a, b)]
        const delay = backoffMs({ baseMs, capMs }, n, random)
        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThan(Math.min(capMs, baseMs * 2 ** (n - 1)) + 1)
      }),
    )
  })
})
