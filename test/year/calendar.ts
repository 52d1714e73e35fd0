const DAY_MS = 86_400_000
const MONTHS = { monthly: 1, quarterly: 3, yearly: 12 }

export type Cycle = keyof typeof MONTHS | 'weekly'

/** The n-th instant after the anchor at which a cycle ends and the next begins; a day that a month lacks is its last. */
export function boundary(anchor: Date, cycle: Cycle, n: number): Date {
  if (cycle === 'weekly') return new Date(anchor.getTime() + 7 * n * DAY_MS)
  const months = anchor.getUTCMonth() + n * MONTHS[cycle]
  const [year, month] = [
    anchor.getUTCFullYear() + Math.floor(months / 12),
    ((months % 12) + 12) % 12,
  ]
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  const midnight = Date.UTC(year, month, Math.min(anchor.getUTCDate(), lastDay))
  const timeOfDay =
    anchor.getTime() - Date.UTC(anchor.getUTCFullYear(), anchor.getUTCMonth(), anchor.getUTCDate())
  return new Date(midnight + timeOfDay)
}
