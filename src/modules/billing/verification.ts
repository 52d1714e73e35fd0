import type { Db } from '#db/client'
import type { InvoiceLine, LineSource } from '#db/schema/billing'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import type { PricingService } from '#modules/pricing'
import { type DuePeriod, type Prices, ratedAgain } from './due'
import { periodsById } from './due.repository'
import type { Invoice } from './invoice.repository'
import type { InvoiceService } from './invoice.service'
import { withTax } from './tax'
import { adjustmentAmounts, evidenceOf } from './verification.repository'

/** Where an invoice is not what its inputs give. */
export interface Difference {
  /** What was looked at: `lines of per_…`, `calls of per_…`, `total`. */
  what: string
  expected: string
  found: string
}

type OfPeriod = Extract<LineSource, { periodId: Id<'per'> }>

const DAY_MS = 86_400_000

export interface VerificationParts {
  db: Db
  clock: Clock
  pricing: PricingService
  invoices: InvoiceService
  /** For how long single calls are kept. */
  retentionDays: number
}

/** Makes invoices again from what they were made of, down to the single calls. */
export class InvoiceVerification {
  constructor(private readonly parts: VerificationParts) {}

  async verify(actor: Actor, id: string) {
    const invoice = await this.parts.invoices.own(actor, id)
    const ids = [...new Set(invoice.lines.flatMap(({ source }) => periodIdOf(source)))]
    const periods = await periodsById(this.parts.db, ids)
    const prices = await this.pricesOf(periods)
    const differences = [
      ...linesOfPeriods(invoice, periods, prices),
      ...(await this.callsOfPeriods(invoice, periods, prices)),
      ...(await this.adjustments(invoice)),
      ...sums(invoice),
    ]
    return {
      invoiceId: invoice.id,
      verdict: differences.length === 0 ? ('equal' as const) : ('different' as const),
      differences,
      periods: periods.map((period) => {
        const { id: periodId, units, billedUnits } = period
        return { id: periodId, units, billedUnits, isRecounted: this.isKept(period) }
      }),
    }
  }

  /** Whether the single calls of the period are still there. */
  private isKept({ startsAt }: DuePeriod): boolean {
    const oldest = this.parts.clock.now().getTime() - this.parts.retentionDays * DAY_MS
    return startsAt.getTime() >= oldest
  }

  /** What it takes to rate these periods again. */
  private async pricesOf(periods: readonly DuePeriod[]): Promise<Prices> {
    const { db, pricing } = this.parts
    const plans = await pricing.plansById([...new Set(periods.map(({ planId }) => planId))])
    const discounts = await pricing.discountsOfPeriods(
      db,
      periods.map(({ id }) => id),
    )
    return {
      planOf: ({ planId }) => invariant(plans.get(planId), planId),
      discountsOf: ({ id }) => discounts.get(id) ?? [],
    }
  }

  /**
   * What is counted against the single calls, and what invoices charged against what the counted units
   * cost. Late calls that cost nothing, as in a package that was paid for, stand on no invoice.
   */
  private async callsOfPeriods(
    { lines }: Invoice,
    periods: readonly DuePeriod[],
    prices: Prices,
  ): Promise<Difference[]> {
    const found: Difference[] = []
    for (const period of periods) {
      const { id: periodId, units, billedUnits } = period
      const { recorded, lateCharged } = await evidenceOf(this.parts.db, periodId)
      if (this.isKept(period)) found.push(...difference(`calls of ${periodId}`, recorded, units))
      const said = lines.map(({ source }) => source).find(isArrearsOf(periodId))
      if (!said) continue
      const owed = sumOf(ratedAgain({ ...said, units: billedUnits ?? 0 }, period, prices))
      const charged = sumOf(ratedAgain(said, period, prices))
      found.push(...difference(`units of ${periodId}`, owed - lateCharged, charged))
    }
    return found
  }

  private async adjustments({ lines }: Invoice): Promise<Difference[]> {
    const adjusted = lines.flatMap(({ source, amount }) =>
      source.kind === 'adjustment' ? [{ id: source.adjustmentId, amount }] : [],
    )
    const written = await adjustmentAmounts(
      this.parts.db,
      adjusted.map(({ id }) => id),
    )
    return adjusted.flatMap(({ id, amount }) => difference(id, written.get(id) ?? null, amount))
  }
}

/** Every line of a period, rated again with the units that it says. */
function linesOfPeriods(
  { lines }: Invoice,
  periods: readonly DuePeriod[],
  prices: Prices,
): Difference[] {
  const groups = Map.groupBy(
    lines.filter(({ source }) => periodIdOf(source).length > 0),
    ({ source }) => JSON.stringify(source),
  )
  return [...groups.values()].flatMap((group) => {
    const source = group[0]?.source as OfPeriod
    const period = periods.find(({ id }) => id === source.periodId)
    const again = period ? ratedAgain(source, period, prices) : []
    return difference(`lines of ${source.periodId}`, again.map(gist), group.map(gist))
  })
}

type Arrears = { kind: 'arrears' } & Exclude<OfPeriod, { kind: 'late' }>

const isArrearsOf =
  (id: Id<'per'>) =>
  (source: LineSource): source is Arrears =>
    source.kind === 'arrears' && source.periodId === id

const sumOf = (lines: readonly InvoiceLine[]): number =>
  lines.reduce((sum, { amount }) => sum + amount, 0)

const periodIdOf = (source: LineSource): Id<'per'>[] =>
  'periodId' in source ? [source.periodId] : []

/** What makes the amount of a line. */
const gist = ({ code, quantity, amount, explain }: InvoiceLine) => ({
  ...{ code, quantity, amount, explain },
})

/** The sums, from the lines on. A draft has no tax yet. */
function sums(invoice: Invoice): Difference[] {
  const { lines, taxes, pricesIncludeTax, total, carriedToCredit } = invoice
  const again = withTax(lines, taxes[0] ?? null, pricesIncludeTax)
  const figures = (of: { subtotal: bigint; tax: bigint; lines: readonly InvoiceLine[] }) => ({
    ...{ subtotal: String(of.subtotal), tax: String(of.tax) },
    taxes: of.lines.map(({ tax }) => tax),
  })
  return [
    ...difference('tax', figures(again), figures(invoice)),
    ...difference('total', String(again.sum), String(total - carriedToCredit)),
  ]
}

function difference(what: string, expected: unknown, found: unknown): Difference[] {
  const [ours, theirs] = [JSON.stringify(expected), JSON.stringify(found)]
  return ours === theirs ? [] : [{ what, expected: ours, found: theirs }]
}
