import { expect, test } from 'vitest'
import { SUBSCRIPTION_STATUSES } from '#db/schema/subscriptions'
import { ACTIONS, possible, transition } from '../../../src/modules/subscriptions/state-machine.ts'

/** Rows: statuses; columns: actions; `·` is illegal. Written by hand from docs/subscriptions.md. */
const MATRIX = `
            change_plan pause  resume cancel    convert fall_behind suspend   reinstate expire
trialing    trialing    ·      ·      cancelled active  ·           suspended ·         ·
active      active      paused ·      cancelled ·       past_due    suspended ·         ·
past_due    past_due    ·      ·      cancelled ·       ·           suspended active    ·
paused      ·           ·      active cancelled ·       ·           ·         ·         ·
suspended   ·           ·      active cancelled ·       ·           ·         active    expired
cancelled   ·           ·      ·      ·         ·       ·           ·         ·         ·
expired     ·           ·      ·      ·         ·       ·           ·         ·         ·`

const [header = [], ...rows] = MATRIX.trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/))

test('the matrix names every status and every action', () => {
  expect(header).toEqual([...ACTIONS])
  expect(rows.map(([status]) => status)).toEqual([...SUBSCRIPTION_STATUSES])
})

test.each(rows)('%s', (name, ...expected) => {
  const status = SUBSCRIPTION_STATUSES.find((known) => known === name) ?? 'active'
  const found = ACTIONS.map((action) => transition(status, action))
  expect(found).toEqual(expected.map((cell) => (cell === '·' ? 'illegal' : cell)))
})

test('nothing is possible any more when it has ended', () => {
  expect(possible('active')).toEqual(['change_plan', 'pause', 'cancel'])
  expect(possible('paused')).toEqual(['resume', 'cancel'])
  expect([...possible('cancelled'), ...possible('expired')]).toEqual([])
})
