import type { InvoiceLine, LineSource } from '#db/schema/billing'
import type { Id } from '#lib/id'
import {
  advanceLines,
  arrearsLines,
  type Discount,
  type Line,
  type Plan,
  type RatedPeriod,
  totalOf,
} from '#modules/pricing'

/** A billing period of which something may be due. */
export interface DuePeriod {
  id: Id<'per'>
  planId: Id<'plan'>
  ordinal: number
  startsAt: Date
  endsAt: Date
  cycleStartsAt: Date
  cycleEndsAt: Date
  kind: 'trial' | 'regular'
  flatFee: bigint
  quotaLimit: number | null
  status: 'open' | 'closed' | 'invoiced'
  /** Whether the fee that is due in advance stands on an invoice. */
  advanceInvoiced: boolean
  /** Units used so far, and those that invoices have. */
  units: number
  billedUnits: number | null
}

export interface DueAdjustment {
  id: Id<'adj'>
  code: string
  description: string
  amount: bigint
  explain: string
}

/** All that a subscription may be invoiced for. */
export interface Due {
  periods: DuePeriod[]
  adjustments: DueAdjustment[]
}

/** What an invoice settles of a period. */
export interface SettledPeriod {
  id: Id<'per'>
  advance: boolean
  arrears: boolean
  /** Null where the units are not looked at yet. */
  billedUnits: number | null
}

/** What is to be invoiced now. Without lines there is no invoice, but its periods are settled. */
export interface Draft {
  lines: InvoiceLine[]
  periods: SettledPeriod[]
  adjustments: Id<'adj'>[]
}

export interface Rating {
  now: Date
  /** How long after its end a period waits for late calls. */
  graceMs: number
  planOf(period: DuePeriod): Plan
  discountsOf(period: DuePeriod): readonly Discount[]
}

/**
 * What is due of a subscription, all together: what changes of it left, what closed periods owe, what
 * came too late for earlier invoices, and the fee of the running period. Pure; null while it waits for
 * late calls of a period that has just ended.
 */
export function draftOf({ periods, adjustments }: Due, rating: Rating): Draft | null {
  if (isWaiting(periods, rating)) return null
  const settled = periods
    .map((period) => settle(period, rating))
    .filter(({ advance, arrears, late }) => advance || arrears || late)
  // Money that is due afterwards stands before what is due in advance.
  const lines = [
    ...settled.flatMap(({ period, late }) => (late ? lateLines(period, rating) : [])),
    ...settled.flatMap(({ period, arrears }) => (arrears ? owedLines(period, rating) : [])),
    ...adjustments.map(adjustmentLine),
    ...settled.flatMap(({ period, advance }) => (advance ? feeLines(period, rating) : [])),
  ].filter(({ amount }) => amount !== 0)
  return {
    lines,
    periods: settled.map(({ period, advance, arrears, late }) => ({
      ...{ id: period.id, advance, arrears },
      billedUnits: arrears || late ? period.units : null,
    })),
    adjustments: adjustments.map(({ id }) => id),
  }
}

/**
 * A cycle gives one invoice: all wait for the youngest of the closed periods, but the oldest for no
 * longer than twice the grace, since with short periods there is always a young one.
 */
function isWaiting(periods: readonly DuePeriod[], { now, graceMs }: Rating): boolean {
  const ends = periods
    .filter(({ status }) => status === 'closed')
    .map(({ endsAt }) => endsAt.getTime())
  if (ends.length === 0) return false
  const isRipe = Math.max(...ends) + graceMs <= now.getTime()
  const isOverripe = Math.min(...ends) + 2 * graceMs <= now.getTime()
  return !isRipe && !isOverripe
}

function settle(period: DuePeriod, { now, graceMs, planOf }: Rating) {
  const { status, startsAt, endsAt, units, billedUnits } = period
  const isInAdvance = planOf(period).flatFeeTiming === 'advance'
  const hasFee = period.flatFee > 0n && !period.advanceInvoiced
  return {
    period,
    advance: isInAdvance && hasFee && startsAt <= now,
    arrears: status === 'closed' && endsAt.getTime() + graceMs <= now.getTime(),
    late: status === 'invoiced' && units > (billedUnits ?? 0),
  }
}

export type Prices = Pick<Rating, 'planOf' | 'discountsOf'>

/** The lines that an invoice had of this source, rated again. */
export function ratedAgain(
  source: Extract<LineSource, { periodId: Id<'per'> }>,
  period: DuePeriod,
  prices: Prices,
): InvoiceLine[] {
  const lines = () => {
    switch (source.kind) {
      case 'advance':
        return feeLines(period, prices)
      case 'arrears':
        return owedLines({ ...period, units: source.units }, prices)
      case 'late':
        return lateLines({ ...period, billedUnits: source.from, units: source.to }, prices)
    }
  }
  return lines().filter(({ amount }) => amount !== 0)
}

const feeLines = (period: DuePeriod, { planOf, discountsOf }: Prices): InvoiceLine[] =>
  advanceLines(planOf(period), period, discountsOf(period)).map((line) =>
    toInvoiceLine(line, period, { kind: 'advance', periodId: period.id, units: 0 }),
  )

const owedLines = (period: DuePeriod, rating: Prices): InvoiceLine[] =>
  rate(period, period.units, rating).map((line) =>
    toInvoiceLine(line, period, { kind: 'arrears', periodId: period.id, units: period.units }),
  )

/** What a period owes with all its calls, less what it owed with those that were invoiced. */
function lateLines(period: DuePeriod, rating: Prices): InvoiceLine[] {
  const [from, to] = [period.billedUnits ?? 0, period.units]
  const [before, after] = [from, to].map((units) => totalOf(rate(period, units, rating)))
  if (before === undefined || after === undefined) return []
  const line = {
    ...{ code: 'late_usage', description: 'Calls that came late', quantity: BigInt(to - from) },
    ...{ amount: after - before, explain: `${after} − ${before}: ${to} and ${from} units` },
  }
  return [toInvoiceLine(line, period, { kind: 'late', periodId: period.id, from, to })]
}

const rate = (period: DuePeriod, units: number, { planOf, discountsOf }: Prices): Line[] =>
  arrearsLines(planOf(period), ratedPeriod(period), BigInt(units), discountsOf(period))

/** A period as the pricing engine takes it. */
const ratedPeriod = (period: DuePeriod): RatedPeriod => ({
  ...{ flatFee: period.flatFee, quotaLimit: period.quotaLimit, kind: period.kind },
  share: {
    part: BigInt(period.endsAt.getTime() - period.startsAt.getTime()),
    whole: BigInt(period.cycleEndsAt.getTime() - period.cycleStartsAt.getTime()),
  },
})

type RatedLine = Omit<Line, 'code'> & { code: string }

const toInvoiceLine = (line: RatedLine, period: DuePeriod, source: LineSource): InvoiceLine => ({
  code: line.code,
  description: `${line.description}, ${dayOf(period.startsAt)} to ${dayOf(period.endsAt)}`,
  ...{ quantity: Number(line.quantity), amount: Number(line.amount), tax: 0, rate: null },
  ...{ explain: line.explain, source },
})

const adjustmentLine = ({
  id,
  code,
  description,
  amount,
  explain,
}: DueAdjustment): InvoiceLine => ({
  ...{ code, description, quantity: 1, amount: Number(amount), tax: 0, rate: null, explain },
  source: { kind: 'adjustment', adjustmentId: id },
})

const dayOf = (at: Date): string => at.toISOString().slice(0, 10)
