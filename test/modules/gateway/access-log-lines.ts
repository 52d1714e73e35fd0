import { randomUUID } from 'node:crypto'

export interface LoggedCall {
  /** Twelve characters, without `key_`. */
  keyId: string
  path?: string
  id?: string
  /** Seconds since 1970. */
  at?: number
  /** In a header, which Caddy would not log. */
  padding?: string
}

/** A line of Caddy's access log with the fields that the gateway reads. */
export const logLine = ({
  keyId,
  path = '/weather',
  id = randomUUID(),
  at = Date.now() / 1_000,
  padding = '',
}: LoggedCall): string =>
  `${JSON.stringify({
    ...{ level: 'info', ts: at, logger: 'http.log.access.veil', msg: 'handled request' },
    request: { proto: 'HTTP/1.1', method: 'GET', uri: path, headers: { 'X-Padding': [padding] } },
    ...{ user_id: `${keyId} api_1 ${id} 3`, duration: 0.0125, size: 42, status: 200 },
  })}\n`
