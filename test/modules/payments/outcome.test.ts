import { expect, test } from 'vitest'
import { outcomeOf } from '../../../src/modules/payments/outcome'

const intent = { id: 'pi_1', amountReceived: 0n, failureCode: null }

test.each([
  ['succeeded', null, { kind: 'succeeded', amount: 0n }],
  ['requires_confirmation', null, { kind: 'open' }],
  ['requires_payment_method', 'lost_card', { kind: 'failed', code: 'lost_card' }],
  ['requires_payment_method', null, { kind: 'failed', code: 'no_method' }],
  ['requires_action', null, { kind: 'failed', code: 'authentication_required' }],
  ['canceled', null, { kind: 'failed', code: 'canceled' }],
  ['processing', null, { kind: 'waiting' }],
  ['requires_capture', null, { kind: 'waiting' }],
  ['of_a_later_release', null, { kind: 'waiting' }],
] as const)('%s (%s)', (status, failureCode, outcome) => {
  expect(outcomeOf({ ...intent, status, failureCode } as never)).toEqual(outcome)
})
