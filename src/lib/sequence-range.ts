/** Numbers that follow on each other, both ends included. */
export interface SequenceRange {
  first: number
  last: number
}

/** The ranges of numbers that come in any order, some of them twice; sorted, with gaps between. */
export function toRanges(numbers: readonly number[]): SequenceRange[] {
  const ranges: SequenceRange[] = []
  let range: SequenceRange | undefined
  for (const number of numbers.toSorted((a, b) => a - b)) {
    if (range && number <= range.last + 1) range.last = number
    else {
      range = { first: number, last: number }
      ranges.push(range)
    }
  }
  return ranges
}

/** A part of a range, and the piece in which all of it lies. */
export interface Part<T> extends SequenceRange {
  piece: T | null
}

/**
 * Cuts a range along pieces, so that each part lies in one of them or in none. Where pieces overlap
 * the earlier one counts; one whose last number is below its first is empty.
 *
 * @param pieces sorted by their first numbers
 */
export function cutAlong<T extends SequenceRange>(
  range: SequenceRange,
  pieces: readonly T[],
): Part<T>[] {
  const parts: Part<T>[] = []
  let first = range.first
  for (const piece of pieces) {
    const begin = Math.max(piece.first, first)
    const last = Math.min(piece.last, range.last)
    if (begin > last) continue
    if (begin > first) parts.push({ first, last: begin - 1, piece: null })
    parts.push({ first: begin, last, piece })
    first = last + 1
  }
  if (first <= range.last) parts.push({ first, last: range.last, piece: null })
  return parts
}
