import { expect, test } from 'vitest'
import {
  type Debt,
  dayAfter,
  failureKind,
  nextTryAt,
  stageAt,
} from '../../../src/modules/payments/dunning-rules'

const RULES = {
  ...{ retryDays: [0, 2, 7, 14, 21], rateLimitPercentAfterDays: { 10: 25, 7: 50 } },
  ...{ suspendAfterDays: 14, cancelAfterDays: 30 },
}
const START = new Date('2027-03-01T10:00:00.000Z')
const day = (days: number) => dayAfter(START, days)
const debt = (rest: Partial<Debt>): Debt => ({
  ...{ startedAt: START, triedAt: START, failureCode: 'insufficient_funds' },
  ...{ isPending: false, card: 'tried', ...rest },
})

test.each([
  ['declined on day 0', {}, 0, 2],
  ['still waiting on day 1', {}, 1, 2],
  ['due on day 2', {}, 2, 2],
  ['tried on day 2', { triedAt: day(2) }, 2, 7],
  ['tried a little late', { triedAt: day(2.04) }, 3, 7],
  ['tried on day 14', { triedAt: day(14) }, 14, 21],
  ['tried as often as it may be', { triedAt: day(21) }, 25, null],
  ['away from day 1 to 15: one try makes up for two', {}, 15, 2],
  ['and after it the calendar goes on', { triedAt: day(15) }, 15, 21],
  ['a lost card', { failureCode: 'lost_card' }, 7, null],
  ['a stolen card', { failureCode: 'stolen_card' }, 7, null],
  ['one whose owner has to confirm', { failureCode: 'authentication_required' }, 7, null],
  ['another card than the lost one', { failureCode: 'lost_card', card: 'new' }, 7, 7],
  ['another card between two days', { card: 'new' }, 1, 1],
  ['a card where there was none', { triedAt: null, failureCode: null, card: 'new' }, 3, 3],
  ['no card', { card: 'none' }, 7, null],
  ['a payment under way', { isPending: true }, 7, null],
  ['too little for any card', { failureCode: 'amount_too_small', card: 'new' }, 7, null],
  [
    'nobody has declined',
    { failureCode: 'provider_unavailable', startedAt: null, triedAt: day(3) },
    ...([3, 4] as const),
  ],
] satisfies [string, Partial<Debt>, number, number | null][])(
  'next try: %s',
  (_, rest, today, next) => {
    expect(nextTryAt(RULES, debt(rest), day(today))).toEqual(next === null ? null : day(next))
  },
)

test.each([
  [-0.1, null],
  [0, { kind: 'past_due' }],
  [6.9, { kind: 'past_due' }],
  [7, { kind: 'softened', percent: 50 }],
  [10, { kind: 'softened', percent: 25 }],
  [13.9, { kind: 'softened', percent: 25 }],
  [14, { kind: 'suspended' }],
  [29.9, { kind: 'suspended' }],
  [30, { kind: 'cancelled' }],
])('soft landing: day %d', (today, stage) => {
  expect(stageAt(RULES, START, day(today))).toEqual(stage)
})

test('who suspends before anything is softened does not soften', () => {
  const rules = { ...RULES, suspendAfterDays: 3 }
  expect(stageAt(rules, START, day(8))).toEqual({ kind: 'suspended' })
})

test('a code that nobody knows passes with time', () => {
  expect(failureKind('try_again_later')).toBe('passing')
})
