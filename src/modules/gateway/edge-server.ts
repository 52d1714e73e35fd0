import type { Clock } from '#lib/clock'
import type { PinnedCertificate } from '#lib/pinned-certificate'
import type { Admission, Authorizer, Decision } from './authorize'
import { type RequestHead, requestIdOf } from './authorize-head'
import { type EdgeListen, HeadHttpServer } from './authorize-http'
import type { MissResolver } from './authorize-miss'
import { problemBody, type Refusal, refusal } from './authorize-refusal'
import { type CallTarget, targetOf } from './authorize-scope'
import { EdgeDecisions } from './edge-decisions'

export interface EdgeServerOptions {
  listen: EdgeListen
  /** What the gateway knows us by (docs/decisions/0010); plain text without. */
  certificate?: PinnedCertificate
  authorizer: Authorizer
  clock: Clock
  /** Whether what is known is as in Postgres; told by the health, true if left out. */
  isCurrent?: () => boolean
  /** Asked once before an unknown or pending key is refused; without it the state is the truth. */
  misses?: MissResolver
  /** Where decisions are counted. */
  decisions?: EdgeDecisions
}

export interface EdgeServer {
  /** The port that was taken, null on a unix socket. */
  readonly port: number | null
  /** Ends after the calls that are being answered. */
  stop(): Promise<void>
}

/**
 * Serves the gateway's subrequests, `GET /gateway/authorize` and `GET /gateway/explain` (why a key
 * that is not in the allow-list is refused), Veil's own `GET /gateway/standing`, and `GET /health/live`
 * (`degraded` while Postgres is away).
 * In: `X-Veil-Key`, `X-Veil-Api`, for refusals `X-Request-Id`, for keys with limits `X-Forwarded-Method`,
 * `X-Forwarded-Uri`, `X-Veil-Address`. Out: 204 with the caller's ids and
 * rate limit headers, or a problem (RFC 9457) that the gateway hands on as it is.
 * Keys are never logged.
 */
export function startEdgeServer(options: EdgeServerOptions): EdgeServer {
  const answers = new EdgeAnswers(options)
  return new HeadHttpServer({
    listen: options.listen,
    ...(options.certificate && { certificate: options.certificate }),
    answer: (head) => answers.answer(head),
    malformed: () => answers.malformed(),
  })
}

const UNAVAILABLE = refusal('authorize_unavailable', { retryAfter: 1 })
const MALFORMED_DETAIL = 'Only plain HTTP/1.1 requests with a head and no chunked body are read.'

const PHRASES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
}

/** What the gateway asks about a key; only the first can let a call pass. */
type Question = 'authorize' | 'explain'

/** Turns decisions into answers: synchronous as long as the key is known. */
class EdgeAnswers {
  readonly #authorizer: Authorizer
  readonly #clock: Clock
  readonly #misses: MissResolver | undefined
  readonly #isCurrent: () => boolean
  readonly #decisions: EdgeDecisions

  constructor(options: EdgeServerOptions) {
    this.#authorizer = options.authorizer
    this.#clock = options.clock
    this.#misses = options.misses
    this.#isCurrent = options.isCurrent ?? (() => true)
    this.#decisions = options.decisions ?? new EdgeDecisions()
  }

  answer(head: RequestHead): string | Promise<string> {
    if (head.method === 'GET' && head.path === '/gateway/authorize') {
      return this.#answerWith('authorize', head)
    }
    if (head.method === 'GET' && head.path === '/gateway/explain') {
      return this.#answerWith('explain', head)
    }
    if (head.method === 'GET' && head.path === '/gateway/standing') return this.#standing(head)
    if (head.method === 'GET' && head.path === '/health/live') {
      const status = this.#isCurrent() ? 'ok' : 'degraded'
      return this.#whole('200 OK', 'Content-Type: application/json\r\n', `{"status":"${status}"}`)
    }
    return this.#problem(404, 'not_found', 'There is nothing at this address.')
  }

  malformed(): string {
    return this.#problem(400, 'malformed_request', MALFORMED_DETAIL, 'Connection: close\r\n')
  }

  #answerWith(question: Question, head: RequestHead): string | Promise<string> {
    const key = bareKey(head.key)
    const apiId = head.apiId
    const decision = this.#decide(question, key, apiId, () => targetOf(head))
    if (decision.admitted) return this.#admission(decision)
    const requestId = requestIdOf(head)
    if (decision.lookUp === null || this.#misses === undefined) {
      return this.#refuse(decision, requestId)
    }
    // The head belongs to the next request by then.
    const target = targetOf(head)
    return this.#misses.resolve(decision.lookUp).then((outcome) => {
      if (outcome === 'failed') return this.#refuse(UNAVAILABLE, requestId)
      const settled =
        outcome === 'changed' ? this.#decide(question, key, apiId, () => target) : decision
      return settled.admitted ? this.#admission(settled) : this.#refuse(settled, requestId)
    })
  }

  #standing({ key, apiId }: RequestHead): string {
    const refused = this.#authorizer.standing({ key, apiId }, this.#clock.now().getTime())
    return refused ? this.#refusal(refused, null) : 'HTTP/1.1 204 No Content\r\n\r\n'
  }

  #decide(
    question: Question,
    key: string | null,
    apiId: string | null,
    target: () => CallTarget,
  ): Decision {
    return this.#authorizer[question]({ key, apiId, target }, this.#clock.now().getTime())
  }

  /** Without `Date`: nobody but the gateway reads it, and each field costs every call. */
  #admission(admission: Admission): string {
    this.#decisions.admitted++
    const limits =
      admission.rateLimit === ''
        ? ''
        : `RateLimit: ${admission.rateLimit}\r\nRateLimit-Policy: ${admission.rateLimitPolicy}\r\n`
    return `HTTP/1.1 204 No Content\r\nX-Veil-Key-Id: ${admission.keyId}\r\nX-Veil-Subscription-Id: ${admission.subscriptionId}\r\n${limits}\r\n`
  }

  #refuse(refused: Refusal, requestId: string | null): string {
    this.#decisions.refuse(refused.code)
    return this.#refusal(refused, requestId)
  }

  #refusal(refused: Refusal, requestId: string | null): string {
    let fields = 'Content-Type: application/problem+json\r\nCache-Control: no-store\r\n'
    if (refused.status === 401) fields += 'WWW-Authenticate: Bearer realm="veil"\r\n'
    if (refused.retryAfter !== null) fields += `Retry-After: ${refused.retryAfter}\r\n`
    if (refused.keyId !== null) {
      fields += `X-Veil-Key-Id: ${refused.keyId}\r\nX-Veil-Subscription-Id: ${refused.subscriptionId}\r\n`
    }
    if (refused.rateLimit !== '') {
      fields += `RateLimit: ${refused.rateLimit}\r\nRateLimit-Policy: ${refused.rateLimitPolicy}\r\n`
    }
    return this.#whole(statusLine(refused.status), fields, problemBody(refused, requestId))
  }

  #problem(status: number, code: string, detail: string, fields = ''): string {
    const type = `urn:veil:problem:${code}`
    const body = JSON.stringify({ type, title: PHRASES[status], status, detail, code })
    return this.#whole(
      statusLine(status),
      `Content-Type: application/problem+json\r\n${fields}`,
      body,
    )
  }

  #whole(status: string, fields: string, body: string): string {
    return `HTTP/1.1 ${status}\r\n${fields}Content-Length: ${Buffer.byteLength(body)}\r\nDate: ${this.#clock.now().toUTCString()}\r\n\r\n${body}`
  }
}

function statusLine(status: number): string {
  return `${status} ${PHRASES[status] ?? ''}`
}

/** The gateway hands on whichever header the client used; `Authorization` has a scheme before the key. */
function bareKey(value: string | null): string | null {
  if (value === null || value.startsWith('veil_')) return value
  return value.slice(0, 7).toLowerCase() === 'bearer ' ? value.slice(7).trim() : value
}
