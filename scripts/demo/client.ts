import { expectEqual } from './checks.ts'

export interface Answer {
  status: number
  headers: Headers
  body: any
}

/** One person's or nobody's view of the REST API. */
export class Client {
  constructor(
    private readonly url: string,
    private readonly token: string | null = null,
  ) {}

  as(token: string): Client {
    return new Client(this.url, token)
  }

  /** The headers by which this person is known. */
  signed(): { headers: Record<string, string> } {
    return { headers: this.token ? { authorization: `Bearer ${this.token}` } : {} }
  }

  /** Asks, and throws unless the status is the expected one. */
  async ask(method: string, path: string, body?: unknown, expected = 200): Promise<any> {
    const { headers } = this.signed()
    const answer = await send(`${this.url}${path}`, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    expectStatus(`${method} ${path}`, answer, expected)
    return answer.body
  }
}

/**
 * Each request has a connection of its own, as with curl: while Caddy takes a new configuration,
 * one that was kept open may be closed under a request, or serve the old configuration once more.
 */
export async function send(url: string, init: RequestInit = {}): Promise<Answer> {
  const signal = AbortSignal.timeout(15_000)
  const response = await fetch(url, { ...init, keepalive: false, signal })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: parsed(text) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Compares the status and, where a code is given, that of the problem. */
export function expectStatus(what: string, answer: Answer, status: number, code?: string): void {
  const { body } = answer
  const problem = answer.status >= 400 ? ` ${body?.code ?? ''}: ${body?.detail ?? body}` : ''
  if (answer.status !== status) expectEqual(what, `${answer.status}${problem}`, String(status))
  if (code !== undefined) expectEqual(`code of ${what}`, body?.code, code)
}
