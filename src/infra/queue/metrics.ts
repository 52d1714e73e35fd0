import type { Metrics, Sample } from '#infra/metrics'
import type { QueueStats, StatsReader, TypeStats } from './stats'

const SERIES = {
  veil_queue_events: { help: 'Events that are not over', labels: ['type', 'state'] },
  veil_queue_oldest_ready_seconds: {
    help: 'For how long the longest waiting event has been due',
    labels: ['type'],
  },
  veil_queue_attempts_per_minute: {
    help: 'How attempts ended, over the last five full minutes',
    labels: ['type', 'outcome'],
  },
  veil_queue_deduplicated_total: {
    help: 'Events that were not added because their dedupe key was taken',
    ...{ labels: ['type'], isCounter: true },
  },
  veil_queue_past_lease: { help: 'Events in the hands of a worker that is overdue' },
  veil_queue_dead_letters: { help: 'Events that were given up' },
  veil_queue_oldest_dead_letter_seconds: { help: 'Time since the oldest of them died' },
  veil_database_oldest_xmin_age: {
    help: 'Transactions since the oldest snapshot that is held open; what it holds back is not cleaned up',
  },
}
type Name = keyof typeof SERIES

/** What the queue tells: the same from every process, since all of it is in the database. */
export function addQueue(metrics: Metrics, statistics: StatsReader): void {
  metrics.add<Name>({
    name: 'queue',
    series: SERIES,
    read: async () => samplesOf(await statistics.read()),
  })
}

function samplesOf(stats: QueueStats): Sample<Name>[] {
  const { count, oldestAt } = stats.deadLetters
  return [
    ...stats.types.flatMap(samplesOfType),
    { name: 'veil_queue_past_lease', value: stats.inFlightPastLease },
    { name: 'veil_queue_dead_letters', value: count },
    {
      name: 'veil_queue_oldest_dead_letter_seconds',
      value: oldestAt ? (stats.asOf.getTime() - oldestAt.getTime()) / 1_000 : 0,
    },
    { name: 'veil_database_oldest_xmin_age', value: stats.oldestXminAge },
  ]
}

function samplesOfType({ type, perMinute, oldestReadyMs, ...stats }: TypeStats): Sample<Name>[] {
  const states = (['ready', 'scheduled', 'running', 'retrying'] as const).map((state) => ({
    name: 'veil_queue_events' as const,
    labels: { type, state },
    value: stats[state],
  }))
  const attempts = (['done', 'retried', 'dead'] as const).map((outcome) => ({
    name: 'veil_queue_attempts_per_minute' as const,
    labels: { type, outcome },
    value: perMinute[outcome],
  }))
  const labels = { type }
  return [
    ...states,
    ...attempts,
    { name: 'veil_queue_oldest_ready_seconds', labels, value: (oldestReadyMs ?? 0) / 1_000 },
    { name: 'veil_queue_deduplicated_total', labels, value: stats.deduplicated },
  ]
}
