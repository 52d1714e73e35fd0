import { DrizzleQueryError } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Discard, defineEvent, describeError } from '#infra/queue'
import { decide } from '../../../src/infra/queue/decide'

const policy = { maxAttempts: 3, baseMs: 100, capMs: 250 }
const failed = { ok: false, error: new Error('no') } as const

test.each([
  [{ ok: true } as const, 3, 0.5, { kind: 'done' }],
  [failed, 1, 0.5, { kind: 'retry', inMs: 50, message: 'Error: no' }],
  [failed, 2, 0.999, { kind: 'retry', inMs: 199, message: 'Error: no' }],
  [
    failed,
    3,
    0.5,
    {
      ...{ kind: 'dead', reason: 'gave up after 3 attempts: Error: no', message: 'Error: no' },
      attempts: 3,
    },
  ],
  [
    { ok: false, error: new Discard('gone') } as const,
    1,
    0.5,
    { kind: 'dead', reason: 'gone', message: 'Discard: gone', attempts: 1 },
  ],
])('%o after attempt %i', (outcome, attempts, random, decision) => {
  expect(decide(outcome, attempts, policy, random)).toEqual(decision)
})

test('the parameters of a query do not get into an error entry', () => {
  const error = new DrizzleQueryError('select $1', ['secret'], new Error('boom'))
  expect(describeError(error)).toBe('query failed ← Error: boom')
})

test('what Postgres cannot hold is replaced', () => {
  expect(describeError(new Error('a\u0000b\ud800'))).toBe('Error: a\ufffdb\ufffd')
})

test('an event is named noun.verbed', () => {
  expect(() => defineEvent('Thing', z.object({}))).toThrow(TypeError)
})
