import type { SequenceRange } from '#lib/sequence-range'
import type { ShippedEvent } from '../../../src/modules/gateway/shipper-client'

/** An API that keeps every batch and counts as it should; `answer` may refuse one first. */
export class IngestStandIn {
  batches: ShippedEvent[][] = []
  tokens = new Set<string | null>()
  encodings = new Set<string | null>()
  /** Every batch that was sent, also those that were refused. */
  tries: ShippedEvent[][] = []
  /** Numbers that it says to miss. */
  gaps: SequenceRange[] = []
  /** Overrides the highest number that arrived. */
  highest: number | null = null
  unrecoverable: SequenceRange[] = []
  answer: (events: ShippedEvent[], request: Request) => Response | null = () => null
  /** Of the questions about gaps. */
  answerGaps: () => Response | null = () => null
  private server = this.listen(0)
  readonly url = `http://127.0.0.1:${this.server.port}`

  private listen(port: number) {
    return Bun.serve({ hostname: '127.0.0.1', port, fetch: (request) => this.handle(request) })
  }

  /** Up again under the same address. */
  restart(): void {
    this.server = this.listen(Number(new URL(this.url).port))
  }

  private async handle(request: Request): Promise<Response> {
    this.tokens.add(request.headers.get('authorization'))
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/usage/gaps') {
      const highest = this.highest ?? this.highestOf(searchParams.get('gatewayId'))
      return this.answerGaps() ?? Response.json({ highest, gaps: this.gaps })
    }
    if (pathname === '/usage/gaps/unrecoverable') {
      this.unrecoverable.push(...((await request.json()) as any).ranges)
      return new Response(null, { status: 204 })
    }
    if (pathname !== '/usage/events') return new Response('', { status: 404 })
    return this.take(request)
  }

  private async take(request: Request): Promise<Response> {
    const encoding = request.headers.get('content-encoding')
    this.encodings.add(encoding)
    const bytes = new Uint8Array(await request.arrayBuffer())
    const text = new TextDecoder().decode(encoding === 'gzip' ? Bun.gunzipSync(bytes) : bytes)
    const { events } = JSON.parse(text) as { events: ShippedEvent[] }
    this.tries.push(events)
    const refusal = this.answer(events, request)
    if (refusal) return refusal
    this.batches.push(events)
    return Response.json({ accepted: events.length, rejected: [] }, { status: 202 })
  }

  private highestOf(gatewayId: string | null): number {
    return this.events.reduce(
      (highest, event) =>
        event.gatewayId === gatewayId ? Math.max(highest, event.sequence) : highest,
      0,
    )
  }

  /** Those taken, as they came. */
  get events(): ShippedEvent[] {
    return this.batches.flat()
  }

  stop(): Promise<void> {
    return this.server.stop(true)
  }
}
