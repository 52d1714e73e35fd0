import { Rational } from './rational'

/** A plan as a provider writes it, and what its usage costs as a bookkeeper would work it out. */
export interface YearPlan {
  slug: string
  input: Record<string, unknown>
  cycle: 'weekly' | 'monthly' | 'quarterly' | 'yearly'
  /** Minor units a cycle. */
  fee: bigint
  timing: 'advance' | 'arrears'
  quota: bigint | null
  trialDays: number
  /** Minor units for so many units of a period that is such a part of its cycle. */
  usage(units: bigint, part: Part): bigint
}

/** How much of its cycle a period is, and how many units it includes. */
export interface Part {
  share: Rational
  quota: bigint | null
}

const whole = (text: string, units: bigint) =>
  Rational.parse(text).times(Rational.of(units)).rounded()
const smaller = (a: bigint, b: bigint) => (a > b ? b : a)
const beyond = (units: bigint, free: bigint) => (units > free ? units - free : 0n)
const shareOf = (count: bigint, { share }: Part) => share.times(Rational.of(count)).rounded()

interface Terms {
  input?: Record<string, unknown>
  cycle?: YearPlan['cycle']
  fee?: bigint
  timing?: YearPlan['timing']
  quota?: bigint
  trialDays?: number
  usage?: YearPlan['usage']
}

const plan = (slug: string, type: string, terms: Terms): YearPlan => {
  const { input = {}, cycle = 'monthly', fee = 0n, timing = 'advance', trialDays = 0 } = terms
  return {
    ...{ slug, cycle, fee, timing, trialDays, quota: terms.quota ?? null },
    usage: terms.usage ?? (() => 0n),
    input: {
      ...{ slug, name: slug, type, currency: 'EUR', billingCycle: cycle, flatFee: Number(fee) },
      ...(timing === 'arrears' && { flatFeeTiming: timing }),
      ...(trialDays > 0 && { trial: { days: trialDays } }),
      ...input,
    },
  }
}

const tier = (upTo: number | null, unitRate: string, flatFee = 0) => ({ upTo, unitRate, flatFee })

/** Twelve plans: every type, cycle, timing and charge model there is. */
export const PLANS: readonly YearPlan[] = [
  plan('free', 'free', { input: { quota: { limit: 500, hard: true } }, quota: 500n }),
  plan('flat', 'flat', { fee: 2_900n }),
  plan('flat-late', 'flat', { fee: 1_234n, timing: 'arrears' }),
  plan('flat-yearly', 'flat', { fee: 12_000n, cycle: 'yearly' }),
  plan('per-unit', 'usage_based', {
    input: { charges: [{ model: 'per_unit', unitRate: '0.35' }] },
    usage: (units) => whole('0.35', units),
  }),
  plan('freemium', 'freemium', {
    input: { charges: [{ model: 'per_unit', unitRate: '3.3', freeUnits: 10 }] },
    usage: (units, part) => whole('3.3', beyond(units, shareOf(10n, part))),
  }),
  plan('graduated', 'usage_based', {
    input: {
      charges: [
        { model: 'graduated', tiers: [tier(10, '5'), tier(30, '2.25', 7), tier(null, '0.7')] },
      ],
    },
    usage: (units, part) => {
      const [first, second] = [shareOf(10n, part), shareOf(30n, part)]
      const inFirst = smaller(units, first)
      const inSecond = beyond(smaller(units, second), first)
      return (
        whole('5', inFirst) +
        (inSecond > 0n ? whole('2.25', inSecond) + shareOf(7n, part) : 0n) +
        whole('0.7', beyond(units, second))
      )
    },
  }),
  plan('volume', 'usage_based', {
    input: {
      charges: [{ model: 'volume', tiers: [tier(15, '4'), tier(40, '2.5'), tier(null, '1.125')] }],
    },
    usage: (units, part) => {
      const rate = units <= shareOf(15n, part) ? '4' : units <= shareOf(40n, part) ? '2.5' : '1.125'
      return whole(rate, units)
    },
  }),
  plan('package', 'usage_based', {
    input: { charges: [{ model: 'package', packageSize: 7, packagePrice: 99 }] },
    usage: (units) => ((units + 6n) / 7n) * 99n,
  }),
  plan('overage', 'flat', {
    fee: 999n,
    quota: 20n,
    input: { quota: { limit: 20, hard: false, overageRate: '12.5' } },
    usage: (units, { quota }) => whole('12.5', beyond(units, quota ?? 0n)),
  }),
  plan('weekly', 'hybrid', {
    fee: 500n,
    cycle: 'weekly',
    input: { charges: [{ model: 'per_unit', unitRate: '1.1' }] },
    usage: (units) => whole('1.1', units),
  }),
  plan('bounded', 'hybrid', {
    fee: 300n,
    trialDays: 14,
    input: {
      charges: [{ model: 'per_unit', unitRate: '40' }],
      ...{ minimumFee: 1_500, maximumFee: 4_000 },
    },
    usage: (units, part) => {
      const [least, most] = [shareOf(1_500n, part), shareOf(4_000n, part)]
      const cost = whole('40', units)
      if (cost < least) return least
      return smaller(cost, most)
    },
  }),
]
