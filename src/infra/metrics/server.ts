import type { Metrics } from './metrics'
import { addProcess, watchEventLoop } from './process'

/** Answers `GET /metrics` on a port of its own, which is for the operator's network only. */
export class MetricsServer {
  private stopWatching: (() => void) | null = null
  private server: ReturnType<typeof Bun.serve> | null = null

  constructor(
    private readonly metrics: Metrics,
    private readonly listen: { hostname: string; port: number },
  ) {
    addProcess(metrics)
  }

  start(): void {
    this.stopWatching = watchEventLoop(this.metrics)
    this.server = Bun.serve({
      ...this.listen,
      routes: {
        '/metrics': {
          GET: async () =>
            new Response(await this.metrics.text(), {
              headers: { 'content-type': this.metrics.contentType, 'cache-control': 'no-store' },
            }),
        },
      },
      fetch: () => new Response('GET /metrics is all there is.\n', { status: 404 }),
    })
  }

  async stop(): Promise<void> {
    this.stopWatching?.()
    await this.server?.stop()
  }
}
