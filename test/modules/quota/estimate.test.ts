import { describe, expect, it } from 'vitest'
import { estimate } from '../../../src/modules/quota/estimate'
import { highestReached } from '../../../src/modules/quota/thresholds'

const day = (n: number) => new Date(Date.UTC(2026, 0, n))
const january = { start: day(1), end: day(31) }

describe('highestReached', () => {
  it.each([
    [0, 100, null],
    [49, 100, null],
    [50, 100, 50],
    [79, 100, 50],
    [80, 100, 80],
    [90, 100, 90],
    [99, 100, 90],
    [100, 100, 100],
    [250, 100, 100],
    [1, 3, null],
    [2, 3, 50],
    [0, 0, 100],
  ])('%d of %d is %s', (used, limit, threshold) => {
    expect(highestReached(used, limit)).toBe(threshold)
  })
})

describe('estimate', () => {
  it.each([
    ['lasts', 100, 1_000, day(11), { unitsPerDay: 10, projectedUnits: 300, exhaustedAt: null }],
    ['ends', 500, 1_000, day(11), { unitsPerDay: 50, projectedUnits: 1_500, exhaustedAt: day(21) }],
    ['is used up', 1_000, 1_000, day(11), { exhaustedAt: day(11) }],
    ['has no end', 500, null, day(11), { projectedUnits: 1_500, exhaustedAt: null }],
    ['is untouched', 0, 10, day(2), { unitsPerDay: 0, projectedUnits: 0, exhaustedAt: null }],
    ['has just begun', 0, 10, day(1), { unitsPerDay: 0, exhaustedAt: null }],
    ['is over', 10, 1_000, day(40), { projectedUnits: 10, exhaustedAt: null }],
  ])('%s', (_, used, limit, now, expected) => {
    expect(estimate(used, limit, january, now)).toMatchObject(expected)
  })
})
