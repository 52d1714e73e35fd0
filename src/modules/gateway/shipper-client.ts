import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { z } from 'zod'
import { type BackoffPolicy, backoffMs } from '#lib/backoff'
import type { SequenceRange } from '#lib/sequence-range'

/** A call as `POST /usage/events` takes it. */
export interface ShippedEvent {
  id: string
  gatewayId: string
  sequence: number
  keyId: string
  method: string
  path: string
  status: number
  durationMs: number
  requestBytes: number
  responseBytes: number
  at: string
}

export interface IngestTarget {
  /** Base address of the REST API. */
  url: string
  token: string
}

/** What the API knows of this gateway: the highest number that arrived, and which it misses. */
export interface Arrivals {
  highest: number
  gaps: SequenceRange[]
}

/** `status` is null when no answer came; `retryAfterMs` when the server asked for patience. */
export interface Refusal {
  kind: 'refused'
  status: number | null
  retryAfterMs: number | null
  reason: string
}

export type PostResult = { kind: 'taken'; rejected: number } | Refusal
export type ArrivalsResult = { kind: 'told'; arrivals: Arrivals } | Refusal
export type ReportResult = { kind: 'noted' } | Refusal

const TIMEOUT_MS = 30_000
const BACKOFF: BackoffPolicy = { baseMs: 200, capMs: 30_000 }
/** Half a microsecond an event for a fifth of the bytes; higher levels cost more than they save. */
const GZIP = { level: 1 }
const compress = promisify(gzip)

const Receipt = z.object({ accepted: z.int(), rejected: z.array(z.unknown()) })
const Range = z.object({ first: z.int().positive(), last: z.int().positive() })
const Told = z.object({ highest: z.int().nonnegative(), gaps: z.array(Range) })

/** The REST API as the shipper needs it. Whatever happens is a result, not an exception. */
export class IngestClient {
  /** Until the API, or something in front of it, turns out not to understand it. */
  private useGzip = true

  constructor(
    private readonly target: IngestTarget,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Sends a batch: in halves where it is too large, without compression where nobody understands that.
   * A refusal may concern a part of it; all of it may be sent again.
   */
  async postEvents(events: readonly ShippedEvent[]): Promise<PostResult> {
    const gzipped = this.useGzip
    const result = await this.postOnce(events, gzipped)
    if (result.kind === 'taken') return result
    if (gzipped && (result.status === 415 || result.status === 400)) {
      this.useGzip = false
      return this.postEvents(events)
    }
    if (result.status !== 413 || events.length === 1) return result
    const middle = Math.ceil(events.length / 2)
    const first = await this.postEvents(events.slice(0, middle))
    if (first.kind === 'refused') return first
    const second = await this.postEvents(events.slice(middle))
    if (second.kind === 'refused') return second
    return { kind: 'taken', rejected: first.rejected + second.rejected }
  }

  private async postOnce(events: readonly ShippedEvent[], gzipped: boolean): Promise<PostResult> {
    const body = JSON.stringify({ events })
    const result = await this.ask('POST', 'usage/events', Receipt, { body, gzipped })
    if (result.kind === 'refused') return result
    const { accepted, rejected } = result.answer
    // Something that answers 200 to everything is not our API, and must not swallow usage.
    if (accepted + rejected.length !== events.length) return notOurs
    return { kind: 'taken', rejected: rejected.length }
  }

  /** What arrived of this gateway so far. */
  async arrivals(gatewayId: string): Promise<ArrivalsResult> {
    const query = new URLSearchParams({ gatewayId })
    const result = await this.ask('GET', `usage/gaps?${query}`, Told)
    return result.kind === 'refused' ? result : { kind: 'told', arrivals: result.answer }
  }

  /** Says which numbers cannot be read again. */
  async reportUnrecoverable(gatewayId: string, ranges: SequenceRange[]): Promise<ReportResult> {
    const body = JSON.stringify({ gatewayId, ranges })
    const result = await this.ask('POST', 'usage/gaps/unrecoverable', z.unknown(), { body })
    return result.kind === 'refused' ? result : { kind: 'noted' }
  }

  private async ask<T>(
    method: string,
    path: string,
    shape: z.ZodType<T>,
    { body, gzipped = false }: { body?: string; gzipped?: boolean } = {},
  ): Promise<{ kind: 'answered'; answer: T } | Refusal> {
    const { url, token } = this.target
    try {
      const response = await fetch(new URL(path, url.endsWith('/') ? url : `${url}/`), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(gzipped && { 'content-encoding': 'gzip' }),
        },
        ...(body !== undefined && { body: gzipped ? await compress(body, GZIP) : body }),
        redirect: 'manual',
        signal: AbortSignal.any([this.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      })
      const text = await response.text()
      if (!response.ok) return refused(response)
      const answer = shape.safeParse(text === '' ? null : JSON.parse(text))
      return answer.success ? { kind: 'answered', answer: answer.data } : notOurs
    } catch (error) {
      // No answer, or one that is not JSON.
      const reason = error instanceof Error ? error.message : String(error)
      return { kind: 'refused', status: null, retryAfterMs: null, reason }
    }
  }
}

const notOurs: Refusal = {
  ...{ kind: 'refused', status: 200, retryAfterMs: null },
  reason: 'the answer is not one of the usage API',
}

function refused({ status, headers }: Response): Refusal {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : null
  return { kind: 'refused', status, retryAfterMs, reason: `answered ${status}` }
}

/**
 * How long to wait after a refusal: exponential with full jitter and a cap, for ever, and never less
 * than the server asked for.
 *
 * @param attempt refusals in a row, from 1
 * @param random uniform in [0, 1)
 */
export function patienceMs(retryAfterMs: number | null, attempt: number, random: number): number {
  return Math.max(retryAfterMs ?? 0, backoffMs(BACKOFF, attempt, random))
}

/** A refusal that time does not mend: somebody must look at the configuration. */
export function isMisconfigured(status: number | null): boolean {
  if (status === null || status >= 500) return false
  return status !== 408 && status !== 429
}
