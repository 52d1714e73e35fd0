import { type BackoffPolicy, backoffMs } from '#lib/backoff'

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

export type PostResult =
  | { kind: 'taken'; rejected: number }
  /** `status` is null when no answer came; `retryAfterMs` when the server asked for patience. */
  | { kind: 'refused'; status: number | null; retryAfterMs: number | null; reason: string }

const TIMEOUT_MS = 30_000
const BACKOFF: BackoffPolicy = { baseMs: 200, capMs: 30_000 }

/** Sends one batch, once. Whatever happens is a result, not an exception. */
export async function postEvents(
  { url, token }: IngestTarget,
  events: readonly ShippedEvent[],
  signal: AbortSignal,
): Promise<PostResult> {
  try {
    const response = await fetch(new URL('usage/events', url.endsWith('/') ? url : `${url}/`), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    })
    const text = await response.text()
    if (!response.ok) return refused(response, `answered ${response.status}`)
    const receipt = parseReceipt(text)
    // Something that answers 200 to everything is not our API, and must not swallow usage.
    if (receipt?.total !== events.length) return refused(response, 'the answer is no receipt')
    return { kind: 'taken', rejected: receipt.rejected }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { kind: 'refused', status: null, retryAfterMs: null, reason }
  }
}

function refused(response: Response, reason: string): PostResult {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : null
  return { kind: 'refused', status: response.status, retryAfterMs, reason }
}

function parseReceipt(text: string): { total: number; rejected: number } | null {
  try {
    const { accepted, rejected } = JSON.parse(text) as { accepted: number; rejected: unknown[] }
    return { total: accepted + rejected.length, rejected: rejected.length }
  } catch {
    return null
  }
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
