import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A message as it came over the wire. */
export interface Received {
  path: string
  headers: Record<string, string>
  body: string
}

type Behaviour = (request: IncomingMessage, response: ServerResponse) => void

export const answering =
  (status: number, headers: Record<string, string> = {}, body = 'thanks'): Behaviour =>
  (_request, response) => {
    response.writeHead(status, headers).end(body)
  }
export const resetting: Behaviour = (request) => request.socket.resetAndDestroy()
export const silent: Behaviour = () => undefined

/** Holds its answers until it is let go. */
export function holding(then: Behaviour): { behave: Behaviour; release: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const behave: Behaviour = (request, response) => void promise.then(() => then(request, response))
  return { behave, release: resolve }
}

/** A real HTTP server that can be told to misbehave. */
export class WebhookReceiver {
  readonly received: Received[] = []
  behave: Behaviour = answering(200)
  private readonly server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      const headers = request.headers as Record<string, string>
      this.received.push({ path: request.url ?? '', headers, body })
      this.behave(request, response)
    })
  })

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver()
    await new Promise<void>((resolve) => receiver.server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook?from=veil`
  }

  /** Messages of a type, parsed, in the order in which they came. */
  of(type: string): { type: string; timestamp: string; data: any }[] {
    return this.received.map(({ body }) => JSON.parse(body)).filter((one) => one.type === type)
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
