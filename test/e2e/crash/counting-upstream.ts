import { setTimeout as sleep } from 'node:timers/promises'

/** A call as the upstream knows it, from what it was sent and what it answered. */
export interface SeenCall {
  phase: string
  /** Name of the key, which an honest client puts into the path. */
  key: string
  subscriptionId: string
  status: number
}

/** What paths ask for: the last segment says the outcome. */
export const OUTCOMES = {
  ok: 200,
  slow: 200,
  created: 201,
  moved: 302,
  missing: 404,
  busy: 429,
  broken: 500,
} as const
export type Outcome = keyof typeof OUTCOMES

const SLOW_MS = 40

/** An upstream that keeps its own books: `/<phase>/<key>/<outcome>`, by the gateway's request id. */
export class CountingUpstream {
  readonly seen = new Map<string, SeenCall>()
  /** Requests that came a second time under the same id. */
  repeated = 0
  private readonly server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    // The gateway keeps its connections: it is not to find them closed.
    idleTimeout: 255,
    fetch: (request) => this.answer(request),
  })
  readonly url = `http://127.0.0.1:${this.server.port}`

  private async answer(request: Request): Promise<Response> {
    const [, phase = '', key = '', outcome = ''] = new URL(request.url).pathname.split('/')
    const status = OUTCOMES[outcome as Outcome]
    const id = request.headers.get('x-request-id') ?? ''
    const subscriptionId = request.headers.get('x-veil-subscription-id') ?? ''
    if (this.seen.has(id)) this.repeated++
    this.seen.set(id, { phase, key, subscriptionId, status })
    if (request.method === 'POST') await request.arrayBuffer()
    if (outcome === 'slow') await sleep(SLOW_MS)
    return Response.json({ outcome }, { status, headers: { location: '/' } })
  }

  stop(): Promise<void> {
    return this.server.stop(true)
  }
}
