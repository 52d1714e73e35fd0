import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type SequenceRange, toRanges } from '#lib/sequence-range'
import {
  carryOver,
  type Gap,
  markUnrecoverable,
  requestDue,
} from '../../../src/modules/usage/completeness-gaps'

const MINUTE = 60_000
const start = new Date('2026-01-01T00:00:00Z')
const minute = (minutes: number) => new Date(start.getTime() + minutes * MINUTE)
const gap = (first: number, last: number, change: Partial<Gap> = {}): Gap => ({
  ...{ first, last, since: start, state: 'open', ...change },
})

describe('what is known of a gap', () => {
  test('stays when numbers in its middle arrive', () => {
    const known = [gap(1, 10, { state: 'requested' }), gap(20, 20)]
    const missing = [
      { first: 1, last: 3 },
      { first: 7, last: 10 },
      { first: 30, last: 31 },
    ]
    expect(carryOver(known, missing, minute(3))).toEqual([
      gap(1, 3, { state: 'requested' }),
      gap(7, 10, { state: 'requested' }),
      gap(30, 31, { since: minute(3) }),
    ])
  })

  test('is that it is requested once, after five minutes', () => {
    const gaps = [gap(1, 2), gap(4, 4, { since: minute(1) }), gap(6, 6, { state: 'unrecoverable' })]
    expect(requestDue(gaps, minute(4.9)).due).toEqual([])
    const { gaps: marked, due } = requestDue(gaps, minute(5))
    expect(due).toEqual([gap(1, 2)])
    expect(marked).toEqual([gap(1, 2, { state: 'requested' }), ...gaps.slice(1)])
    expect(requestDue(marked, minute(5)).due).toEqual([])
  })

  test('is that a part of it cannot be had any more', () => {
    const lost = [
      { first: 1, last: 4 },
      { first: 8, last: 30 },
    ]
    expect(markUnrecoverable([gap(3, 9), gap(20, 21)], lost)).toEqual([
      gap(3, 4, { state: 'unrecoverable' }),
      gap(5, 7),
      gap(8, 9, { state: 'unrecoverable' }),
      gap(20, 21, { state: 'unrecoverable' }),
    ])
  })
})

test('whatever arrives in between: gaps are what is missing, and a number keeps its age', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1 })
  const of = ({ first, last }: SequenceRange) =>
    Array.from({ length: last - first + 1 }, (_, n) => first + n)
  fc.assert(
    fc.property(fc.array(numbers, { minLength: 2, maxLength: 6 }), (arrivals) => {
      const received = new Set<number>()
      const since = new Map<number, number>()
      let gaps: Gap[] = []
      for (const [n, batch] of arrivals.entries()) {
        for (const number of batch) received.add(number)
        const highest = Math.max(...received)
        const missing = of({ first: 1, last: highest }).filter((number) => !received.has(number))
        for (const number of missing) since.set(number, since.get(number) ?? n)
        gaps = carryOver(gaps, toRanges(missing), minute(n))
        expect(gaps.flatMap(of)).toEqual(missing)
        for (const found of gaps)
          for (const number of of(found))
            expect(found.since).toEqual(minute(since.get(number) ?? -1))
      }
    }),
  )
})
