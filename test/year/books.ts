import { boundary } from './calendar'
import type { YearPlan } from './plans'
import { Rational } from './rational'

/** Billable calls that were made in one moment. */
export interface Calls {
  at: Date
  units: number
  /** When the gateway told of them. */
  toldAt: Date
}

/** What happens to one subscription in its year. */
export interface Story {
  plan: YearPlan
  startsAt: Date
  change?: { at: Date; plan: YearPlan }
  /** At once, or at the end of the period that runs then. */
  cancel?: { at: Date; atOnce: boolean }
  calls: Calls[]
}

interface Stretch {
  plan: YearPlan
  start: Date
  end: Date
  cycleStart: Date
  cycleEnd: Date
  /** What its own flat fee comes to. */
  fee: bigint
  quota: bigint | null
  isTrial: boolean
}

const DAY_MS = 86_400_000
const between = (start: Date, end: Date) => end.getTime() - start.getTime()
const share = (start: Date, end: Date, cycle: Pick<Stretch, 'cycleStart' | 'cycleEnd'>) =>
  Rational.of(between(start, end), between(cycle.cycleStart, cycle.cycleEnd))
const partOf = (amount: bigint, of: Rational) => of.times(Rational.of(amount)).rounded()

/** The periods of a subscription's life until `until`, and what its changes credit and charge. */
function liveThrough(story: Story, until: Date): { stretches: Stretch[]; adjustments: bigint } {
  const stretches: Stretch[] = []
  let adjustments = 0n
  let { plan } = story
  let start = story.startsAt
  let anchor = start
  let n = 0
  if (plan.trialDays > 0) {
    const end = new Date(start.getTime() + plan.trialDays * DAY_MS)
    stretches.push({
      ...{ plan, start, end, cycleStart: start, cycleEnd: end, fee: 0n, quota: plan.quota },
      isTrial: true,
    })
    anchor = end
    start = end
  }
  let endsAt: Date | null = null
  while (start <= until && (endsAt === null || start < endsAt)) {
    const cycle = {
      cycleStart: boundary(anchor, plan.cycle, n),
      cycleEnd: boundary(anchor, plan.cycle, n + 1),
    }
    const { change, cancel } = story
    const isIn = (at: Date) => cycle.cycleStart <= at && at < cycle.cycleEnd
    let running: Stretch = {
      ...{ plan, start, end: cycle.cycleEnd, ...cycle, fee: plan.fee, quota: plan.quota },
      isTrial: false,
    }
    stretches.push(running)
    if (change && isIn(change.at) && plan === story.plan && change.plan !== plan) {
      const left = share(change.at, cycle.cycleEnd, cycle)
      adjustments += partOf(change.plan.fee, left) - partOf(plan.fee, left)
      // What is not paid any more is not included either.
      running.end = change.at
      if (running.quota !== null) running.quota -= partOf(running.quota, left)
      plan = change.plan
      running = {
        ...{ plan, start: change.at, end: cycle.cycleEnd, ...cycle, fee: 0n, isTrial: false },
        quota: plan.quota === null ? null : partOf(plan.quota, left),
      }
      stretches.push(running)
    }
    if (cancel && isIn(cancel.at)) {
      endsAt = cancel.atOnce ? cancel.at : cycle.cycleEnd
      // Nothing is given back, so all that was paid for stays included.
      if (cancel.atOnce) running.end = cancel.at
    }
    start = cycle.cycleEnd
    n++
  }
  return { stretches, adjustments }
}

/**
 * What all invoices of a subscription charge together until `until`, before tax, in minor units: fees
 * in advance of periods that began, fees in arrears and usage of those that are over, and adjustments.
 */
export function charged(story: Story, until: Date): bigint {
  const { stretches, adjustments } = liveThrough(story, until)
  return stretches.reduce((sum, stretch) => sum + chargedFor(stretch, story, until), adjustments)
}

function chargedFor(stretch: Stretch, { calls }: Story, until: Date): bigint {
  const { plan, start, end, fee, quota, isTrial } = stretch
  if (isTrial) return 0n
  const isOver = end <= until
  const units = calls
    .filter(({ at }) => start <= at && at < end)
    .reduce((sum, call) => sum + BigInt(call.units), 0n)
  const usage = isOver ? plan.usage(units, { share: share(start, end, stretch), quota }) : 0n
  return usage + (plan.timing === 'advance' || isOver ? fee : 0n)
}
