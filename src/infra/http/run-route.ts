import type { TObject, TSchema } from '@sinclair/typebox'
import { currentContext } from '#infra/logger'
import type { Access, Actor } from '#lib/access'
import { AppError } from '#lib/errors'
import { IdempotencyKeyMalformed, VersionMissing } from './errors'
import { type IdempotencyClaim, IdempotencyStore, type StoredAnswer } from './idempotency'
import { partsOf, problemResponse, statusOf } from './problem'
import { runUnderClaim } from './retry'
import type { Call, Route } from './route'
import { requireStorable } from './storable'

export interface RawCall {
  actor: Actor | null
  params: Record<string, never>
  query: Record<string, never>
  body: unknown
  request: Request
  remoteAddress: string
  set: { status?: number | string; headers: Record<string, string | number> }
}

const PRINTABLE = /^[\x21-\x7e]{1,255}$/
const ETAG = /^(?:W\/)?"?(\d{1,9})"?$/

/** Runs the handler of a route under its idempotency key, if it takes one and got one. */
export async function runRoute(
  route: Route,
  store: IdempotencyStore,
  raw: RawCall,
): Promise<unknown> {
  // Gateways report what strangers sent; the ledger copes with that event by event.
  if (route.spec.permission !== 'gateway') requireStorable(raw)
  const key = route.spec.idempotent ? raw.request.headers.get('idempotency-key') : null
  if (key === null) return execute(route, raw)
  if (!PRINTABLE.test(key)) throw new IdempotencyKeyMalformed()
  const { pathname } = new URL(raw.request.url)
  const scope = raw.actor?.userId ?? `address:${raw.remoteAddress}`
  const fingerprint = IdempotencyStore.fingerprint(route.method, pathname, raw.body)
  const begun = await store.begin(scope, key, fingerprint)
  if ('answer' in begun) return replay(begun.answer)
  const { claim } = begun
  try {
    const result = await runUnderClaim(claim, () => execute(route, raw))
    await claim.finish(toAnswer(result, raw.set))
    return result
  } catch (error) {
    await settleFailure(claim, pathname, error)
    throw error
  }
}

function execute(route: Route, raw: RawCall): Promise<unknown> | unknown {
  raw.set.status = route.spec.status ?? 200
  const call: Call<Access, TObject, TObject, TSchema> = {
    actor: raw.actor as never,
    params: raw.params,
    query: raw.query,
    body: raw.body,
    request: raw.request,
    remoteAddress: raw.remoteAddress,
    expectedVersion: route.spec.ifMatch ? versionOf(raw.request) : 0,
    setHeader: (name, value) => {
      raw.set.headers[name] = value
    },
  }
  return route.handle(call)
}

function versionOf(request: Request): number {
  const match = ETAG.exec(request.headers.get('if-match') ?? '')
  if (!match) throw new VersionMissing()
  return Number(match[1])
}

function toAnswer(result: unknown, set: RawCall['set']): StoredAnswer {
  const headers = Object.fromEntries(
    Object.entries(set.headers).map(([name, value]) => [name, String(value)]),
  )
  return { status: Number(set.status), headers, body: JSON.stringify(result ?? null) }
}

function replay(answer: StoredAnswer): Response {
  return new Response(answer.status === 204 ? null : answer.body, {
    status: answer.status,
    headers: {
      'content-type': 'application/json',
      ...answer.headers,
      'idempotent-replayed': 'true',
      'x-request-id': currentContext()?.requestId ?? '',
    },
  })
}

/**
 * A refusal that came from carrying out the request is an answer like any other and is kept. Where
 * the trouble may pass (5xx, 429, or a refusal that says when to try again) nothing was done, and
 * the same key may be sent again.
 */
async function settleFailure(
  claim: IdempotencyClaim,
  instance: string,
  error: unknown,
): Promise<void> {
  if (!(error instanceof AppError)) return claim.release()
  const status = statusOf(error.kind)
  const passing = status >= 500 || status === 429 || error.retryAfter !== undefined
  if (passing) return claim.release()
  const requestId = currentContext()?.requestId ?? ''
  const response = problemResponse(partsOf(error), { instance, requestId })
  await claim.finish({
    status,
    headers: { 'content-type': 'application/problem+json' },
    body: await response.text(),
  })
}
