import { expect, test } from 'vitest'
import { freePort } from '#infra/embedded'
import { httpTimes, Metrics, MetricsServer } from '#infra/metrics'
import { readSeries } from '#test/scrape'

test('a source is read at every scrape; one that fails is missing and said to be', async () => {
  const metrics = new Metrics()
  let level: number | null = 3
  metrics.add({
    name: 'tank',
    series: { tank_level: { help: 'Level', labels: ['tank'] } },
    read: async () => {
      if (level === null) throw new Error('no answer')
      return [{ name: 'tank_level', labels: { tank: 'a' }, value: level }]
    },
  })
  metrics.add({
    name: 'pump',
    series: { pump_strokes_total: { help: 'Strokes', isCounter: true } },
    read: () => [{ name: 'pump_strokes_total', value: 7 }],
  })
  const scrape = async () => readSeries(await metrics.text())
  expect((await scrape()).get('tank_level{tank="a"}')).toBe(3)
  level = 2
  const second = await scrape()
  expect(second.get('tank_level{tank="a"}')).toBe(2)
  expect(second.get('pump_strokes_total')).toBe(7)
  level = null
  const third = await scrape()
  expect(third.has('tank_level{tank="a"}')).toBe(false)
  expect(third.get('veil_metrics_source_up{source="tank"}')).toBe(0)
  expect(third.get('veil_metrics_source_up{source="pump"}')).toBe(1)
  expect(third.get('pump_strokes_total')).toBe(7)
})

test('answers are told by route, and those without a route as one', async () => {
  const metrics = new Metrics()
  const observe = httpTimes(metrics)
  observe({ method: 'GET', route: '/apis/:id', status: 200, ms: 4 })
  observe({ method: 'GET', route: '/apis/:id', status: 200, ms: 80 })
  observe({ method: 'GET', route: null, status: 404, ms: 1 })
  const series = readSeries(await metrics.text())
  const name = 'veil_http_request_duration_seconds'
  const of = (suffix: string, labels: string) => series.get(`${name}${suffix}{${labels}}`)
  const labels = 'method="GET",route="/apis/:id",status="200"'
  expect(of('_count', labels)).toBe(2)
  expect(of('_sum', labels)).toBeCloseTo(0.084)
  expect(of('_bucket', `le="0.005",${labels}`)).toBe(1)
  expect(of('_bucket', `le="0.1",${labels}`)).toBe(2)
  expect(of('_count', 'method="GET",route="(none)",status="404"')).toBe(1)
})

test('the server answers GET /metrics and nothing else, and measures its process', async () => {
  const port = await freePort()
  const server = new MetricsServer(new Metrics(), { hostname: '127.0.0.1', port })
  server.start()
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    const series = readSeries(await answer.text())
    expect(series.get('process_resident_memory_bytes')).toBeGreaterThan(1_000_000)
    expect(series.get('process_cpu_user_seconds_total')).toBeGreaterThan(0)
    expect(series.has('veil_event_loop_lag_seconds_count')).toBe(true)
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404)
    const post = await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })
    expect(post.status).toBe(404)
  } finally {
    await server.stop()
  }
})

test('a timer that comes late is seen', async () => {
  const { watchEventLoop } = await import('../../../src/infra/metrics/process')
  const metrics = new Metrics()
  const stop = watchEventLoop(metrics)
  const until = performance.now() + 250
  while (performance.now() < until);
  const lagged = async () => {
    const series = readSeries(await metrics.text())
    return (series.get('veil_event_loop_lag_seconds_sum') ?? 0) > 0.1
  }
  const { eventually } = await import('#test/poll')
  await eventually(lagged, 'the late tick')
  stop()
})
