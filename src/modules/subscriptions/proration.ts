import { prorate, type Share } from '#lib/money'
import type { Plan } from '#modules/pricing'
import type { BillingPeriod } from './life.repository'
import { shareOf } from './periods'

/** By what the unused part of a fee is found. */
export type CreditMode = 'time' | 'consumption' | 'max_of_both' | 'none'

/** The unused part of a period, and how it was found. */
export interface Unused {
  share: Share
  formula: string
}

/** What leaving a period early comes to. Amounts in minor units. */
export interface Leaving {
  /** What the period is left with, for its own invoice. */
  closing: Pick<BillingPeriod, 'flatFee' | 'quotaLimit'>
  /** To be given back, ≥ 0. */
  credit: bigint
  /** What stays paid of the time after, where nothing is given back. */
  carried: bigint
  explain: string
}

/**
 * The part of a period that is not used at `at`: of its time, of its quota, or the smaller one of both.
 * Without a quota nothing else than time can be measured.
 */
export function unusedOf(mode: CreditMode, period: BillingPeriod, at: Date, units: bigint): Unused {
  const time = timeUnused(period, at)
  if (mode === 'none') return { share: { part: 0n, whole: 1n }, formula: 'no credit' }
  if (mode === 'time' || period.quotaLimit === null) return time
  const quota = quotaUnused(BigInt(period.quotaLimit), units)
  if (mode === 'consumption') return quota
  const isTimeLess = time.share.part * quota.share.whole < quota.share.part * time.share.whole
  return isTimeLess ? time : quota
}

/** To the end of the cycle: that is what was paid for. */
function timeUnused({ startsAt, cycleEndsAt }: BillingPeriod, at: Date): Unused {
  const share = shareOf(at, cycleEndsAt, startsAt, cycleEndsAt)
  return { share, formula: `${share.part} of ${share.whole} ms unused` }
}

function quotaUnused(limit: bigint, units: bigint): Unused {
  const whole = limit > 0n ? limit : 1n
  const part = units < limit ? limit - units : 0n
  return { share: { part, whole }, formula: `${part} of ${limit} units unused` }
}

/**
 * Gives back the unused part of a period's fee, and takes back the same part of its quota: what was
 * not paid is not included. A fee in arrears is not charged yet, so it is lowered instead.
 *
 * @param paid what was paid for the period in advance, discounts taken off, ≥ 0
 */
export function leave(
  plan: Plan,
  period: BillingPeriod,
  at: Date,
  { unused: { share, formula }, paid }: { unused: Unused; paid: bigint },
): Leaving {
  const { flatFee, quotaLimit } = period
  const isLate = plan.flatFeeTiming === 'arrears'
  const rest = timeUnused(period, at).share
  const credit = prorate(paid, share)
  return {
    closing: {
      flatFee: isLate ? flatFee - prorate(flatFee, share) : flatFee,
      quotaLimit:
        quotaLimit === null ? null : quotaLimit - Number(prorate(BigInt(quotaLimit), share)),
    },
    credit,
    carried: prorate(isLate ? paid + flatFee : paid, rest),
    explain: `${paid} × ${share.part}/${share.whole} (${formula})`,
  }
}
