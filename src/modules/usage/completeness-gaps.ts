import type { GAP_STATES } from '#db/schema/usage-completeness'
import { cutAlong, type SequenceRange } from '#lib/sequence-range'

/** `open`: just noticed; `requested`: the gateway is asked for it; `unrecoverable`: it has it no more. */
export type GapState = (typeof GAP_STATES)[number]

/** Numbers that did not arrive although higher ones did. */
export interface Gap extends SequenceRange {
  since: Date
  state: GapState
}

/** Batches overtake each other, and are sent again for a while: a younger gap mostly closes by itself. */
const PATIENCE_MS = 5 * 60_000

/** What is missing now; a part of a gap that is known keeps its age and state. @param known sorted */
export function carryOver(
  known: readonly Gap[],
  missing: readonly SequenceRange[],
  now: Date,
): Gap[] {
  return missing
    .flatMap((range) => cutAlong(range, known))
    .map(({ first, last, piece }) => ({
      ...{ first, last, since: piece?.since ?? now, state: piece?.state ?? 'open' },
    }))
}

/** The gaps for which the gateway is to be asked now, and all of them with those marked. */
export function requestDue(gaps: readonly Gap[], now: Date): { gaps: Gap[]; due: Gap[] } {
  const isDue = ({ state, since }: Gap) =>
    state === 'open' && now.getTime() - since.getTime() >= PATIENCE_MS
  const marked = gaps.map((gap): Gap => (isDue(gap) ? { ...gap, state: 'requested' } : gap))
  return { gaps: marked, due: gaps.filter(isDue) }
}

/** The gaps with what lies in `lost` marked, which may cut them. @param lost sorted */
export function markUnrecoverable(gaps: readonly Gap[], lost: readonly SequenceRange[]): Gap[] {
  return gaps.flatMap((gap) =>
    cutAlong(gap, lost).map(({ first, last, piece }): Gap => {
      const state = piece ? 'unrecoverable' : gap.state
      return { first, last, since: gap.since, state }
    }),
  )
}
