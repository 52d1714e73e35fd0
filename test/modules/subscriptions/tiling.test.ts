import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestVeil } from '#test/veil'
import { Life } from './life-fixture'

let veil: TestVeil
beforeAll(async () => {
  veil = await TestVeil.start()
})
afterAll(() => veil.stop())

const START = Date.parse('2027-01-31T00:00:00.000Z')
const plan = (flatFee: number, terms: object = {}) => ({ flatFee, refundPolicy: 'time', ...terms })

const STEPS = [
  'upgrade',
  'downgrade',
  'now',
  'pause',
  'resume',
  'cancel',
  'withdraw',
  'jobs',
] as const

async function take(life: Life, step: (typeof STEPS)[number]): Promise<void> {
  const { small, large } = life.plans
  if (step === 'upgrade') await life.ask('POST', '/upgrade', { planId: large })
  if (step === 'downgrade') await life.ask('POST', '/downgrade', { planId: small })
  if (step === 'now') await life.ask('POST', '/downgrade', { planId: small, at: 'now' })
  if (step === 'pause' || step === 'resume') await life.ask('POST', `/${step}`)
  if (step === 'cancel') await life.ask('POST', '/cancel', {})
  if (step === 'withdraw') await life.ask('POST', '/cancel-scheduled-change')
  if (step === 'jobs') await life.run('scheduled-plan-changes', 'subscription-renewal')
}

test('whatever is done, periods never overlap, have holes in pauses only, and no more is credited than charged', async () => {
  const story = fc.array(
    fc.record({ step: fc.constantFrom(...STEPS), hours: fc.integer({ min: 0, max: 24 * 40 }) }),
    { minLength: 4, maxLength: 9 },
  )
  await fc.assert(
    fc.asyncProperty(story, async (steps) => {
      const life = await Life.begin(veil, new Date(START).toISOString(), {
        small: plan(1_000),
        large: plan(7_777),
      })
      let now = START
      for (const { step, hours } of steps) {
        now += hours * 3_600_000 + 1
        await life.at(new Date(now))
        await take(life, step)
      }
      await life.run('scheduled-plan-changes', 'subscription-renewal', 'scheduled-plan-changes')
      const periods = await life.periods()
      const pauses = (await life.reasons()).filter((reason) => reason === 'resumed').length
      let holes = 0
      for (const [index, period] of periods.entries()) {
        expect(period.ordinal).toBe(index)
        const before = periods[index - 1]
        if (before) expect(+period.start).toBeGreaterThanOrEqual(+before.end)
        if (before && +period.start > +before.end) holes++
        expect(+period.start).toBeGreaterThanOrEqual(+period.cycleStart)
        expect(+period.end).toBeLessThanOrEqual(+period.cycleEnd)
      }
      expect(holes).toBeLessThanOrEqual(pauses)
      const fees = periods.reduce((sum, { fee }) => sum + fee, 0)
      const adjusted = (await life.adjustments()).reduce((sum, { amount }) => sum + amount, 0)
      expect(fees + adjusted).toBeGreaterThanOrEqual(0)
    }),
    { numRuns: 8 },
  )
})
