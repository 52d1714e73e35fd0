import type { Metrics } from './metrics'

const LAG_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
/** A tick that comes later than this was kept waiting by other work. */
const TICK_MS = 100

/** What the process uses. The names without `veil_` are those of Prometheus' client libraries. */
export function addProcess(metrics: Metrics): void {
  metrics.add({
    name: 'process',
    series: {
      process_resident_memory_bytes: { help: 'Resident memory' },
      process_cpu_user_seconds_total: { help: 'CPU time of our own code', isCounter: true },
      process_cpu_system_seconds_total: { help: 'CPU time in the kernel', isCounter: true },
      process_start_time_seconds: { help: 'Start of the process, in Unix time' },
    },
    read: () => {
      const { user, system } = process.cpuUsage()
      return [
        { name: 'process_resident_memory_bytes', value: process.memoryUsage.rss() },
        { name: 'process_cpu_user_seconds_total', value: user / 1e6 },
        { name: 'process_cpu_system_seconds_total', value: system / 1e6 },
        { name: 'process_start_time_seconds', value: performance.timeOrigin / 1_000 },
      ]
    },
  })
}

/**
 * Measures by how much a timer is late: Bun's own monitor of the event loop reports nothing.
 *
 * @returns what ends it
 */
export function watchEventLoop(metrics: Metrics): () => void {
  const lag = metrics.histogram({
    name: 'veil_event_loop_lag_seconds',
    help: 'By how much a timer of 100 ms came late',
    ...{ labels: [], buckets: LAG_BUCKETS },
  })
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    lag.observe(Math.max(0, now - last - TICK_MS) / 1_000)
    last = now
  }, TICK_MS)
  return () => clearInterval(timer)
}
