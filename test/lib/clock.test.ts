import { expect, test } from 'vitest'
import { systemClock } from '#infra/clock'

test('the system clock moves forward', () => {
  const first = systemClock.now().getTime()
  expect(systemClock.now().getTime()).toBeGreaterThanOrEqual(first)
})
