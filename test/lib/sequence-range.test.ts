import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cutAlong, type SequenceRange, toRanges } from '#lib/sequence-range'

const numbersOf = ({ first, last }: SequenceRange) =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n)
const numbers = fc.array(fc.integer({ min: 1, max: 60 }))
const range = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 20 }))
  .map(([first, more]) => ({ first, last: first + more }))
/** Some of them empty, some overlapping. */
const pieces = fc
  .array(
    fc
      .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: -1, max: 10 }))
      .map(([first, more]) => ({ first, last: first + more })),
  )
  .map((found) => found.sort((a, b) => a.first - b.first))

test('ranges hold every number once, in order, with gaps between', () => {
  fc.assert(
    fc.property(numbers, (given) => {
      const ranges = toRanges(given)
      expect(ranges.flatMap(numbersOf)).toEqual([...new Set(given)].sort((a, b) => a - b))
      for (const [n, { first }] of ranges.entries()) {
        if (n > 0) expect(first).toBeGreaterThan((ranges[n - 1]?.last ?? 0) + 1)
      }
    }),
  )
})

test('parts are the range, each within its piece, and without one only where there is none', () => {
  fc.assert(
    fc.property(range, pieces, (whole, given) => {
      const parts = cutAlong(whole, given)
      expect(parts.flatMap(numbersOf)).toEqual(numbersOf(whole))
      const covered = new Set(given.flatMap(numbersOf))
      for (const part of parts) {
        const { piece } = part
        for (const number of numbersOf(part)) {
          if (piece) expect(numbersOf(piece)).toContain(number)
          else expect(covered.has(number)).toBe(false)
        }
      }
    }),
  )
})
