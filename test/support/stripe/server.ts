import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StripeEndpoint } from './endpoints'
import { Faults } from './faults'
import { parseForm, requireKnown } from './form'
import { type StripeErrorBody, StripeRefusal } from './refusal'

interface Answer {
  status: number
  body: string
}

interface KeptRequest {
  fingerprint: string
  /** Null while it runs. */
  answer: Answer | null
}

export interface SeenRequest {
  method: string
  path: string
  idempotencyKey: string | null
  body: string
}

const errorAnswer = (status: number, error: StripeErrorBody): Answer => ({
  ...{ status, body: JSON.stringify({ error }) },
})

/** The HTTP side: who asks, what was asked before under the same key, and what goes wrong. */
export class StripeServer {
  readonly faults = new Faults()
  readonly seen: SeenRequest[] = []
  private readonly kept = new Map<string, KeptRequest>()
  private readonly server = createServer((request, response) => void this.take(request, response))

  constructor(
    private readonly secretKey: string,
    private readonly endpoints: readonly StripeEndpoint[],
  ) {}

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** As after the day for which Stripe keeps idempotency keys. */
  forgetKeys(): void {
    this.kept.clear()
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    request.setEncoding('utf8')
    for await (const chunk of request) body += chunk
    const { method = 'GET', headers } = request
    const { pathname: path, search } = new URL(request.url ?? '/', 'http://stripe')
    const idempotencyKey = headers['idempotency-key']?.toString() ?? null
    this.seen.push({ method, path, idempotencyKey, body })
    const reset = () => void request.socket.resetAndDestroy()
    const write = ({ status, body: text }: Answer) => {
      const type = { 'content-type': 'application/json', 'request-id': 'req_fake' }
      response.writeHead(status, type).end(text)
    }
    const refused = this.refusalOf(request, method, body)
    if (refused) return write(refused)
    const fault = this.faults.take(method, path)
    if (fault?.kind === 'before') await fault.run()
    if (fault?.kind === 'refuse') return write(troubleOf(fault.status))
    if (fault?.kind === 'silent') return
    if (fault?.kind === 'reset') return reset()
    const during = fault?.kind === 'during' ? fault.run : undefined
    const answer = await this.once(
      method,
      path,
      idempotencyKey,
      method === 'GET' ? search.slice(1) : body,
      during,
    )
    if (fault?.kind === 'after') await fault.run()
    if (fault?.kind === 'done-then-silent') return
    if (fault?.kind === 'done-then-reset') return reset()
    write(fault?.kind === 'done-then' ? troubleOf(fault.status) : answer)
  }

  private refusalOf({ headers }: IncomingMessage, method: string, body: string): Answer | null {
    if (headers.authorization !== `Bearer ${this.secretKey}`)
      return errorAnswer(401, {
        type: 'invalid_request_error',
        message: 'Invalid API Key provided',
      })
    const type = headers['content-type'] ?? ''
    if (method === 'POST' && body !== '' && !type.startsWith('application/x-www-form-urlencoded'))
      return errorAnswer(400, {
        ...{ type: 'invalid_request_error', message: 'Bodies are form-encoded.' },
      })
    return null
  }

  /** Does what is asked, or answers as it did the first time it was asked under this key. */
  private async once(
    method: string,
    path: string,
    key: string | null,
    text: string,
    during: (() => Promise<void> | void) | undefined,
  ): Promise<Answer> {
    if (method !== 'POST' || key === null) return this.perform(method, path, text).answer
    const fingerprint = `${path}\n${text}`
    const earlier = this.kept.get(key)
    if (earlier && earlier.fingerprint !== fingerprint)
      return errorAnswer(400, {
        type: 'idempotency_error',
        message: 'Keys for idempotent requests can only be used with the same parameters.',
      })
    if (earlier?.answer) return earlier.answer
    if (earlier)
      return errorAnswer(409, {
        ...{ type: 'idempotency_error', code: 'idempotency_key_in_use' },
        message: 'There is currently another in-progress request using this key.',
      })
    const kept: KeptRequest = { fingerprint, answer: null }
    this.kept.set(key, kept)
    await during?.()
    const { answer, hasBegun } = this.perform(method, path, text)
    // What failed its validation is not kept.
    if (hasBegun) kept.answer = answer
    else this.kept.delete(key)
    return answer
  }

  private perform(method: string, path: string, text: string) {
    try {
      return { answer: { status: 200, body: this.result(method, path, text) }, hasBegun: true }
    } catch (error) {
      if (!(error instanceof StripeRefusal)) throw error
      const answer = errorAnswer(error.status, error.body)
      return { answer, hasBegun: error.status === 402 }
    }
  }

  private result(method: string, path: string, text: string): string {
    for (const { pattern, known, answer, ...endpoint } of this.endpoints) {
      const match = endpoint.method === method ? pattern.exec(path) : null
      if (!match) continue
      const form = parseForm(text)
      requireKnown(form, known)
      return JSON.stringify(answer(match[1] ?? '', form))
    }
    throw new StripeRefusal(404, {
      ...{
        type: 'invalid_request_error',
        message: `Unrecognized request URL (${method}: ${path})`,
      },
    })
  }
}

const troubleOf = (status: number): Answer =>
  errorAnswer(status, {
    type: status < 500 ? 'invalid_request_error' : 'api_error',
    ...(status === 429 && { code: 'rate_limit' }),
    ...(status === 409 && { code: 'lock_timeout' }),
    message: 'On demand.',
  })
