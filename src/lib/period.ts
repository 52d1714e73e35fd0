export const BILLING_CYCLES = ['daily', 'weekly', 'monthly', 'quarterly', 'yearly'] as const
export type BillingCycle = (typeof BILLING_CYCLES)[number]

/** Half-open: `start` belongs to the period, `end` to the next one. */
export interface Period {
  start: Date
  end: Date
}

const MONTHS: Partial<Record<BillingCycle, number>> = { monthly: 1, quarterly: 3, yearly: 12 }
const DAY_MS = 86_400_000

function addMonths(anchor: Date, months: number): Date {
  const month = new Date(anchor)
  month.setUTCDate(1)
  month.setUTCMonth(month.getUTCMonth() + months)
  const daysInMonth = new Date(
    Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 0),
  ).getUTCDate()
  month.setUTCDate(Math.min(anchor.getUTCDate(), daysInMonth))
  return month
}

/** The n-th boundary after the anchor. Counting from the anchor keeps 31 Jan → 28 Feb → 31 Mar. */
function boundary(anchor: Date, cycle: BillingCycle, n: number): Date {
  const months = MONTHS[cycle]
  if (months !== undefined) return addMonths(anchor, months * n)
  return new Date(anchor.getTime() + n * (cycle === 'weekly' ? 7 : 1) * DAY_MS)
}

/**
 * The n-th period (from 0) of a cycle that began at `anchor`, in UTC. Months are calendar months
 * anchored to the first day; a day that a month lacks becomes that month's last day.
 */
export function periodAt(anchor: Date, cycle: BillingCycle, n: number): Period {
  return { start: boundary(anchor, cycle, n), end: boundary(anchor, cycle, n + 1) }
}
