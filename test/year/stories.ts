import type { SeededRandom } from '#test/random'
import type { Calls, Story } from './books'
import { PLANS, type YearPlan } from './plans'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** Told within the hour that an invoice waits, within days, or so late that the invoice is out. */
const DELAYS_MS = [0, 0, 0, 5 * 60_000, 30 * 60_000, 2 * DAY_MS, 9 * DAY_MS]

export interface YearStory extends Story {
  /** When an admin gives back a part of its first payment, if ever. */
  refundAt: Date | null
}

/** Changes at once are among plans of the same cycle whose fee is due in advance: the oracle knows `time`. */
const canChange = ({ cycle, timing, trialDays }: YearPlan) =>
  cycle === 'monthly' && timing === 'advance' && trialDays === 0

export function drawStories(
  count: number,
  from: Date,
  until: Date,
  random: SeededRandom,
): YearStory[] {
  return Array.from({ length: count }, (_, index) => drawStory(index, from, until, random.fork()))
}

function drawStory(index: number, from: Date, until: Date, random: SeededRandom): YearStory {
  const plan = PLANS[index % PLANS.length] as YearPlan
  // In the morning hours: nothing falls due within an hour of the end of the year.
  const startsAt = moment(from, random.between(0, 100), random)
  const lifeDays = Math.floor((until.getTime() - startsAt.getTime()) / DAY_MS)
  const others = canChange(plan) ? dearer(plan) : []
  const changes = others.length > 0 && random.next() < 0.5
  const change = changes && {
    at: moment(startsAt, random.between(10, lifeDays - 30), random),
    plan: random.pick(others),
  }
  const ends = random.next() < 0.25
  const cancel = ends
    ? {
        at: moment(startsAt, random.between(lifeDays - 28, lifeDays - 5), random),
        atOnce: random.next() < 0.5,
      }
    : null
  const endsAt = cancel ? cancel.at : new Date(until.getTime() - 12 * DAY_MS)
  // A call that missed its invoice waits for the next one, which must come within the year.
  const lateUntil = cancel?.atOnce ? endsAt : new Date(endsAt.getTime() - 33 * DAY_MS)
  return {
    ...{ plan, startsAt, ...(change && { change }), ...(cancel && { cancel }) },
    calls: drawCalls(plan, { from: startsAt, until: endsAt, lateUntil }, random),
    refundAt: plan.fee > 0n && random.next() < 0.3 ? moment(startsAt, lifeDays - 3, random) : null,
  }
}

/** Plans whose fee is no lower, so that the change takes place at once. */
const dearer = (plan: YearPlan): YearPlan[] =>
  PLANS.filter((other) => canChange(other) && other !== plan && other.fee >= plan.fee)

const moment = (from: Date, days: number, random: SeededRandom): Date => {
  const midnight = Date.UTC(from.getUTCFullYear(), from.getUTCMonth(), from.getUTCDate() + days)
  return new Date(midnight + random.between(6 * 60, 18 * 60) * 60_000 + random.between(1, 60_000))
}

function drawCalls(
  plan: YearPlan,
  { from, until, lateUntil }: { from: Date; until: Date; lateUntil: Date },
  random: SeededRandom,
): Calls[] {
  const days = Math.floor((until.getTime() - from.getTime()) / DAY_MS)
  // A free plan has no more than its quota.
  const most = plan.slug === 'free' ? 9 : 30
  return Array.from({ length: Math.max(0, Math.floor(days / 9)) }, () => {
    const at = new Date(
      from.getTime() + random.between(1, days) * DAY_MS + random.between(1, 20) * HOUR_MS,
    )
    const delayMs = random.pick(DELAYS_MS)
    const toldAt = new Date(at.getTime() + (at < lateUntil ? delayMs : 0) + 1_000)
    return { at, units: random.between(1, most), toldAt }
  }).filter(({ at }) => at < until)
}
