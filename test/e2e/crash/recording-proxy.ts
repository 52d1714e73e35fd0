import type { SeededRandom } from '#test/random'

interface Recorded {
  headers: Record<string, string>
  body: ArrayBuffer
}

/** Stands between the shipper and the API: keeps every batch, and loses some answers. */
export class RecordingProxy {
  readonly batches: Recorded[] = []
  /** Answers of the API that the shipper did not get. */
  lostAnswers = 0
  private readonly server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => this.pass(request),
  })
  readonly url = `http://127.0.0.1:${this.server.port}`

  constructor(
    private readonly target: string,
    private readonly random: SeededRandom,
  ) {}

  private async pass(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    const recorded = { headers: headersOf(request), body: await request.arrayBuffer() }
    const isBatch = pathname === '/usage/events'
    if (isBatch) this.batches.push(recorded)
    const answer = await this.send(request.method, pathname + search, recorded).catch(() => null)
    if (!answer) return new Response('', { status: 502 })
    if (isBatch && this.random.next() < 0.03) {
      this.lostAnswers++
      return new Response('', { status: 504 })
    }
    return answer
  }

  private async send(method: string, path: string, { headers, body }: Recorded): Promise<Response> {
    const response = await fetch(this.target + path, {
      ...{ method, headers, keepalive: false },
      ...(body.byteLength > 0 && { body }),
    })
    const retryAfter = response.headers.get('retry-after')
    const { status } = response
    // Nothing may stand in the answer to a 204.
    const text = status === 204 ? null : await response.text()
    return new Response(text, { status, headers: retryAfter ? { 'retry-after': retryAfter } : {} })
  }

  /** Posts every batch once more. @returns the statuses of the answers, each once */
  async sendAllAgain(): Promise<number[]> {
    const statuses = new Set<number>()
    for (const batch of this.batches)
      statuses.add((await this.send('POST', '/usage/events', batch)).status)
    return [...statuses]
  }

  stop(): Promise<void> {
    return this.server.stop(true)
  }
}

function headersOf({ headers }: Request): Record<string, string> {
  const passed = ['authorization', 'content-type', 'content-encoding']
  return Object.fromEntries(
    passed.flatMap((name) => {
      const value = headers.get(name)
      return value === null ? [] : [[name, value]]
    }),
  )
}
