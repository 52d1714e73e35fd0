/** One call that authorize let through, as the gateway's access log has it. */
export interface GatewayCall {
  /** The UUID that the gateway gave the call: `X-Request-Id` of the request and of the answer. */
  requestId: string
  /** The key that authorize confirmed, in the words of the edge. */
  keyId: string
  apiId: string
  method: string
  /** As the client sent it (raw, still encoded), without the query string. */
  path: string
  /** 101 for an upgraded connection, 499 where the client hung up before there was an answer. */
  status: number
  durationMs: number
  /** Body only. On Caddy 2.6 the announced Content-Length: 0 for a chunked body. */
  requestBytes: number
  /** Body only. */
  responseBytes: number
  /** When the call ended, RFC 3339 in UTC, to the millisecond. */
  at: string
}

/** A line that is not one of the gateway's access log: cut off, or of another Caddyfile. */
export class MalformedAccessLogLine extends Error {
  readonly code = 'malformed_access_log_line'
  constructor(reason: string, cause?: unknown) {
    super(`malformed access log line: ${reason}`, { cause })
    this.name = 'MalformedAccessLogLine'
  }
}

/** `<key> <api> <request> <content-length or nothing>`, set by the gateway after authorize; ` 101` behind it for an upgrade. */
const CONFIRMED =
  /^([A-Za-z0-9_-]+) ([A-Za-z0-9_-]+) ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}) (\d{0,15})( 101)?$/

/**
 * Reads one line; null when authorize confirmed no key (the gateway refused the call itself). Everything
 * that is billed comes from Caddy or from the edge: neither side of the call can forge it.
 *
 * @throws MalformedAccessLogLine
 */
export function parseAccessLogLine(line: string): GatewayCall | null {
  const entry = parseJson(line)
  const userId = text(entry, 'user_id')
  if (userId === '') return null
  const [, keyId, apiId, requestId, announced, upgraded] = CONFIRMED.exec(userId) ?? []
  if (keyId === undefined || apiId === undefined || requestId === undefined) {
    throw new MalformedAccessLogLine('user_id is not what the gateway writes')
  }
  const request = object(entry, 'request')
  return {
    requestId,
    keyId,
    apiId,
    method: text(request, 'method'),
    path: pathOf(text(request, 'uri')),
    // Caddy 2.6 logs 0 where no answer was written, be it that the connection was handed over; later ones say 499.
    status: number(entry, 'status') || (upgraded ? 101 : 499),
    durationMs: number(entry, 'duration') * 1_000,
    requestBytes: 'bytes_read' in entry ? number(entry, 'bytes_read') : Number(announced ?? 0),
    responseBytes: number(entry, 'size'),
    at: instant(number(entry, 'ts')),
  }
}

type Fields = Record<string, unknown>

/** How Caddy begins a line. Inside of one the quotes would be escaped. */
const BEGIN = '{"level":'

function parseJson(line: string): Fields {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch (error) {
    // A full disk or a kill may have left a piece of an earlier line, or a hole, before a whole one.
    const begin = line.lastIndexOf(BEGIN)
    if (begin > 0) return parseJson(line.slice(begin))
    throw new MalformedAccessLogLine('not JSON', error)
  }
  if (!isFields(parsed)) throw new MalformedAccessLogLine('not an object')
  return parsed
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function object(fields: Fields, name: string): Fields {
  const value = fields[name]
  if (!isFields(value)) throw new MalformedAccessLogLine(`${name} is not an object`)
  return value
}

function text(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw new MalformedAccessLogLine(`${name} is not a string`)
  return value
}

function number(fields: Fields, name: string): number {
  const value = fields[name]
  if (typeof value !== 'number' || value < 0) {
    throw new MalformedAccessLogLine(`${name} is not a number`)
  }
  return value
}

/** The Caddyfile cuts the query off already; one of another operator may not. */
function pathOf(uri: string): string {
  const query = uri.indexOf('?')
  return query < 0 ? uri : uri.slice(0, query)
}

/** `seconds` since 1970, with a fraction. */
function instant(seconds: number): string {
  const at = new Date(seconds * 1_000)
  if (Number.isNaN(at.getTime())) throw new MalformedAccessLogLine('ts is no instant')
  return at.toISOString()
}
