import type { Db } from '#db/client'
import type { InvoiceLine, LineSource } from '#db/schema/billing'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import type { PricingService } from '#modules/pricing'
import { type DuePeriod, ratedAgain } from './due'
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
    const differences = [
      ...(await this.linesOfPeriods(invoice, periods)),
      ...(await this.callsOfPeriods(invoice, periods)),
      ...(await this.adjustments(invoice)),
      ...sums(invoice),
    ]
    return {
      invoiceId: invoice.id,
      verdict: differences.length === 0 ? ('equal' as const) : ('different' as const),
      differences,
      periods: periods.map(({ id: periodId, units, billedUnits }) => ({
        ...{ id: periodId, units, billedUnits, isRecounted: this.isKept(periods, periodId) },
      })),
    }
  }

  private isKept(periods: readonly DuePeriod[], id: Id<'per'>): boolean {
    const oldest = this.parts.clock.now().getTime() - this.parts.retentionDays * DAY_MS
    return periods.some((period) => period.id === id && period.startsAt.getTime() >= oldest)
  }

  /** Every line of a period, rated again with the units that it says. */
  private async linesOfPeriods(
    { lines }: Invoice,
    periods: readonly DuePeriod[],
  ): Promise<Difference[]> {
    const { db, pricing } = this.parts
    const planIds = [...new Set(periods.map(({ planId }) => planId))]
    const plans = await pricing.plansById(planIds)
    const discounts = await pricing.discountsOfPeriods(
      db,
      periods.map(({ id }) => id),
    )
    const rating = {
      planOf: ({ planId }: DuePeriod) => invariant(plans.get(planId), planId),
      discountsOf: ({ id }: DuePeriod) => discounts.get(id) ?? [],
    }
    const groups = Map.groupBy(
      lines.filter(({ source }) => periodIdOf(source).length > 0),
      ({ source }) => JSON.stringify(source),
    )
    return [...groups.values()].flatMap((group) => {
      const source = group[0]?.source as OfPeriod
      const period = periods.find(({ id }) => id === source.periodId)
      const again = period ? ratedAgain(source, period, rating) : []
      return difference(`lines of ${source.periodId}`, again.map(gist), group.map(gist))
    })
  }

  /** What is counted against the single calls, and what invoices charged against what is counted. */
  private async callsOfPeriods(
    { lines }: Invoice,
    periods: readonly DuePeriod[],
  ): Promise<Difference[]> {
    const found: Difference[] = []
    for (const { id, units, billedUnits } of periods) {
      const { recorded, late } = await evidenceOf(this.parts.db, id)
      if (this.isKept(periods, id)) found.push(...difference(`calls of ${id}`, recorded, units))
      const arrears = lines.find(
        ({ source }) => source.kind === 'arrears' && source.periodId === id,
      )
      if (arrears?.source.kind === 'arrears')
        found.push(...difference(`units of ${id}`, (billedUnits ?? 0) - late, arrears.source.units))
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
