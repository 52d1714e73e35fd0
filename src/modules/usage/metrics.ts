import type { Db } from '#db/client'
import type { Metrics } from '#infra/metrics'
import { countBacklog } from './backlog-repository'

/** What waits for the ledger: the same from every process. */
export function addUsage(metrics: Metrics, db: Db): void {
  const name = 'veil_usage_backlog_calls'
  metrics.add({
    name: 'usage',
    series: { [name]: { help: 'Calls that were accepted and are not booked yet' } },
    read: async () => [{ name, value: await countBacklog(db) }],
  })
}

/** What a worker booked since it was started. */
export class BookedCalls {
  booked = 0
  /** Those that the ledger knew. */
  duplicates = 0

  add({ booked, duplicates }: Pick<BookedCalls, 'booked' | 'duplicates'>): void {
    this.booked += booked
    this.duplicates += duplicates
  }
}

export function addBookings(metrics: Metrics, calls: BookedCalls): void {
  metrics.add({
    name: 'bookings',
    series: {
      veil_usage_booked_calls_total: { help: 'Calls booked in the ledger', isCounter: true },
      veil_usage_duplicate_calls_total: {
        help: 'Calls brought again that were booked before',
        isCounter: true,
      },
    },
    read: () => [
      { name: 'veil_usage_booked_calls_total', value: calls.booked },
      { name: 'veil_usage_duplicate_calls_total', value: calls.duplicates },
    ],
  })
}
