import type { CaddyHandler } from './config-types'

export interface RouteProblem {
  status: number
  code: string
  title: string
  /** What is wrong and how to mend it; may name Caddy placeholders of our own vars. */
  detail: string
  headers?: Record<string, string>
}

/** A refusal of the gateway itself: RFC 9457 problem+json, the shape of every other error of Veil. */
export function problemResponse(problem: RouteProblem): CaddyHandler {
  const { status, code, title, detail, headers = {} } = problem
  const body = {
    type: `urn:veil:problem:${code}`,
    title,
    status,
    detail,
    code,
    requestId: '{http.vars.veil_request}',
  }
  return {
    handler: 'static_response',
    status_code: status,
    headers: {
      'Content-Type': ['application/problem+json'],
      'Cache-Control': ['no-store'],
      'X-Request-Id': ['{http.vars.veil_request}'],
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    },
    body: JSON.stringify(body),
  }
}

const CHALLENGE = 'Bearer realm="veil"'

export const UNKNOWN_API = problemResponse({
  status: 404,
  code: 'unknown_api',
  title: 'Not found',
  detail:
    'No API is published at this path. Paths are case-sensitive: /<api>/<path>, with the API exactly as the marketplace spells it.',
})

export const AMBIGUOUS_PATH = problemResponse({
  status: 400,
  code: 'ambiguous_path',
  title: 'Bad request',
  detail:
    'The path has dot segments, or characters that a path may not have. Send it without "." and ".." segments and percent-encode everything that RFC 3986 does not allow in a path.',
})

export const FORBIDDEN_CONNECTION_OPTION = problemResponse({
  status: 400,
  code: 'forbidden_connection_option',
  title: 'Bad request',
  detail: 'The Connection header must not name the headers that carry the API key. Leave them out.',
})

export const METHOD_NOT_ALLOWED = problemResponse({
  status: 405,
  code: 'method_not_allowed',
  title: 'Method not allowed',
  detail: 'This API accepts {http.vars.veil_allow} only.',
  headers: { Allow: '{http.vars.veil_allow}' },
})

export const MISSING_REQUIRED_HEADER = problemResponse({
  status: 400,
  code: 'missing_required_header',
  title: 'Bad request',
  detail:
    'This API requires the header {http.vars.veil_missing}. Send it, with the value that the documentation of the API gives.',
})

/** 401 when no key came at all. */
export function keyMissing(keyHeader: string): CaddyHandler {
  return problemResponse({
    status: 401,
    code: 'key_missing',
    title: 'Not authenticated',
    detail: `This API needs a key. Send it as ${keyHeader}: veil_... or as Authorization: Bearer veil_...`,
    headers: { 'WWW-Authenticate': CHALLENGE },
  })
}

export const KEY_NOT_ACCEPTED = problemResponse({
  status: 401,
  code: 'key_not_accepted',
  title: 'Not authenticated',
  detail:
    'The key is not a key of this API, or it was revoked. Check it, or get one by subscribing to the API.',
  headers: { 'WWW-Authenticate': `${CHALLENGE}, error="invalid_token"` },
})

export const AUTHORIZE_UNREACHABLE = problemResponse({
  status: 503,
  code: 'authorize_unreachable',
  title: 'Unavailable',
  detail:
    'The key could not be checked at the moment, so the call was not made. Try again shortly.',
  headers: { 'Retry-After': '2' },
})

export const UPSTREAM_TIMEOUT = problemResponse({
  status: 504,
  code: 'upstream_timeout',
  title: 'Gateway timeout',
  detail:
    'The API did not answer in time. It may have done what was asked: look before you send the call again.',
})

export const UPSTREAM_UNREACHABLE = problemResponse({
  status: 502,
  code: 'upstream_unreachable',
  title: 'Bad gateway',
  detail:
    'The API cannot be reached, or it broke off its answer. Try again later; tell its provider when it lasts.',
})
