import type { PinnedCertificate } from '#lib/pinned-certificate'
import type { CaddyHandler, CaddyRoute } from './config-types'
import { when } from './route-guards'
import {
  AUTHORIZE_UNREACHABLE,
  KEY_NOT_ACCEPTED,
  keyMissing,
  METHOD_NOT_ALLOWED,
  MISSING_REQUIRED_HEADER,
  UNKNOWN_API,
  UPSTREAM_TIMEOUT,
  UPSTREAM_UNREACHABLE,
} from './route-problem'

const SECOND = 1_000_000_000

/** Behind the tree: the verdict of the leaf becomes a refusal, or authorize and the call itself. */
export function verdictRoutes(options: ProxyOptions): CaddyRoute[] {
  return [when({ not: [{ vars: { veil_verdict: ['allowed'] } }] }, refusals(options))]
}

function refusals(options: ProxyOptions): CaddyRoute[] {
  const { keyHeader } = options
  return [
    on('method_not_allowed', METHOD_NOT_ALLOWED),
    on('missing_required_header', MISSING_REQUIRED_HEADER),
    {
      match: [
        {
          vars: { veil_verdict: ['key_not_accepted'] },
          not: [{ header_regexp: { [keyHeader]: { pattern: '.' } } }],
        },
      ],
      handle: [keyMissing(keyHeader)],
    },
    // Not in the allow-list, but it could be a key: the edge knows whether it was revoked, say.
    {
      match: [
        {
          vars: { veil_verdict: ['key_not_accepted'] },
          header_regexp: { [keyHeader]: { pattern: WHOLE_KEY } },
        },
      ],
      handle: [{ handler: 'vars', veil_stage: 'authorize' }, explain(options)],
    },
    on('key_not_accepted', KEY_NOT_ACCEPTED),
    { handle: [UNKNOWN_API] },
  ]
}

/** The form of `veil_<id>_<secret><checksum>`; a header that the gateway normalised has no scheme left. */
const WHOLE_KEY = '^veil_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$'

function on(verdict: string, handler: CaddyHandler): CaddyRoute {
  return { match: [{ vars: { veil_verdict: [verdict] } }], handle: [handler] }
}

export interface ProxyOptions {
  keyHeader: string
  edgeDials: string[]
  edgeCertificate: Pick<PinnedCertificate, 'serverName' | 'der'>
  /** How long an upstream may take until its response headers, in seconds. */
  upstreamTimeoutSeconds: number
}

/** One authorize handler and one proxy per scheme for all APIs; the upstream comes from the vars. */
export function proxyRoutes(options: ProxyOptions): CaddyRoute[] {
  return [
    {
      handle: [
        { handler: 'vars', veil_stage: 'authorize' },
        // The rest of the raw path, untouched; strip_path_prefix would merge slashes.
        {
          handler: 'rewrite',
          path_regexp: [{ find: '^/[a-z0-9-]+', replace: '{http.vars.veil_base}' }],
        },
        authorize(options),
      ],
    },
    when({ vars: { veil_ratelimit: [''] } }, upstreams(options, {})),
    ...upstreams(options, RATE_LIMIT),
  ]
}

function upstreams(options: ProxyOptions, limits: Record<string, string[]>): CaddyRoute[] {
  return [
    {
      match: [{ vars: { veil_scheme: ['https'] } }],
      handle: [upstream(options, 'https', limits)],
    },
    { handle: [upstream(options, 'http', limits)] },
  ]
}

const RATE_LIMIT = {
  RateLimit: ['{http.vars.veil_ratelimit}'],
  'RateLimit-Policy': ['{http.vars.veil_ratelimit_policy}'],
}

/** Errors of the two proxies; the stage tells which of them failed. */
export function errorRoutes(): CaddyRoute[] {
  return [
    { match: [{ vars: { veil_stage: ['authorize'] } }], handle: [AUTHORIZE_UNREACHABLE] },
    { match: [{ vars: { '{http.error.status_code}': ['504'] } }], handle: [UPSTREAM_TIMEOUT] },
    { handle: [UPSTREAM_UNREACHABLE] },
  ]
}

/**
 * The subrequest. Large headers stay behind. (By name: a wildcard makes Caddy lower-case every header of the request.
 * Deletions run after the settings.)
 *
 * Only who holds the edge's key is asked, because Caddy tells the dialer where to go by a variable of the request, which
 * the upstream's proxy overwrites: a dial that starts late (its request got a pooled connection meanwhile) goes to the
 * upstream. There the handshake fails; without TLS the pool would send that upstream the keys of others.
 */
function askEdge(options: ProxyOptions, uri: string): CaddyHandler {
  const { keyHeader, edgeDials, edgeCertificate } = options
  const dials = [...new Set(edgeDials)].toSorted()
  return {
    handler: 'reverse_proxy',
    upstreams: dials.map((dial) => ({ dial })),
    ...(dials.length > 1 ? pinning(keyHeader) : { load_balancing: ASK_AGAIN }),
    transport: {
      protocol: 'http',
      dial_timeout: SECOND,
      response_header_timeout: 5 * SECOND,
      keep_alive: { max_idle_conns_per_host: 256, idle_timeout: 60 * SECOND },
      tls: { root_ca_pool: [edgeCertificate.der], server_name: edgeCertificate.serverName },
      compression: false,
    },
    rewrite: { method: 'GET', uri },
    headers: {
      request: {
        set: {
          'X-Veil-Key': [`{http.request.header.${keyHeader}}`],
          'X-Veil-Api': ['{http.vars.veil_api}'],
          'X-Request-Id': ['{http.vars.veil_request}'],
          'X-Forwarded-Method': ['{http.request.method}'],
          // As it came, for keys that are limited to operations; later placeholders have the upstream's path.
          'X-Forwarded-Uri': ['{http.request.orig_uri}'],
          // X-Forwarded-For may hold what the client claims; this is the other end of the connection.
          'X-Veil-Address': ['{http.request.remote.host}'],
        },
        delete: [...NOT_FOR_THE_EDGE, keyHeader],
      },
      response: {
        delete: ['X-Veil-*'],
        set: { 'X-Request-Id': ['{http.vars.veil_request}'] },
      },
    },
  }
}

function authorize(options: ProxyOptions): CaddyHandler {
  return {
    ...askEdge(options, '/gateway/authorize'),
    handle_response: [
      {
        match: { status_code: [2], headers: { 'X-Veil-Key-Id': ['*'] } },
        routes: [{ handle: [confirmed()] }],
      },
      // Whatever listens there, it is not our edge: nothing passes unmetered.
      { match: { status_code: [2] }, routes: [{ handle: [AUTHORIZE_UNREACHABLE] }] },
    ],
  }
}

/** A second opinion on a key that is not in the allow-list. It only ever refuses. */
function explain(options: ProxyOptions): CaddyHandler {
  return {
    ...askEdge(options, '/gateway/explain'),
    handle_response: [{ match: { status_code: [2] }, routes: [{ handle: [KEY_NOT_ACCEPTED] }] }],
  }
}

/** What is secret or may be large; the length of a body, since that does not go along. */
const NOT_FOR_THE_EDGE = ['Authorization', 'Content-Length', 'Cookie']

/** Asking twice is harmless whatever the method of the call; by default only a GET is retried. */
const ASK_AGAIN = {
  retries: 3,
  try_duration: 3 * SECOND,
  try_interval: SECOND / 20,
  retry_match: [{ path: ['*'] }],
}

/** A key always meets the same edge, so that its limits are exact; when that edge is lost, another takes over. */
function pinning(keyHeader: string): Record<string, unknown> {
  return {
    load_balancing: {
      ...ASK_AGAIN,
      selection_policy: { policy: 'header', field: keyHeader },
    },
    health_checks: { passive: { fail_duration: 5 * SECOND, max_fails: 1 } },
  }
}

function confirmed(): CaddyHandler {
  const header = (name: string) => `{http.reverse_proxy.header.${name}}`
  return {
    handler: 'vars',
    veil_stage: 'upstream',
    veil_subscription: header('X-Veil-Subscription-Id'),
    // Placeholders of response headers exist under Go's canonical spelling only.
    veil_ratelimit: header('Ratelimit'),
    veil_ratelimit_policy: header('Ratelimit-Policy'),
    // Caddy 2.6 logs neither the request's id nor the bytes read: all of it travels in one field.
    veil_call: `${header('X-Veil-Key-Id')} {http.vars.veil_api} {http.vars.veil_request} {http.request.header.Content-Length}`,
  }
}

/** @param limits headers for the caller; set here, since a `headers` handler would wrap every answer once more */
function upstream(
  options: ProxyOptions,
  scheme: 'http' | 'https',
  limits: Record<string, string[]>,
): CaddyHandler {
  return {
    handler: 'reverse_proxy',
    upstreams: [{ dial: '{http.vars.veil_dial}' }],
    transport: {
      protocol: 'http',
      dial_timeout: 5 * SECOND,
      response_header_timeout: options.upstreamTimeoutSeconds * SECOND,
      keep_alive: { max_idle_conns_per_host: 64, idle_timeout: 60 * SECOND },
      compression: false,
      ...(scheme === 'https' ? { tls: {} } : {}),
    },
    headers: {
      request: {
        set: {
          Host: ['{http.vars.veil_host}'],
          'X-Request-Id': ['{http.vars.veil_request}'],
          'X-Veil-Subscription-Id': ['{http.vars.veil_subscription}'],
        },
        delete: [options.keyHeader],
      },
      // Applied to the upstream's final answer itself; a 101 and a 103 of an upstream pass as they are.
      response: {
        // What is set needs no deletion, and would fall victim to it: deletions come last.
        delete: ['X-Veil-*', ...Object.keys(RATE_LIMIT).filter((name) => !(name in limits))],
        set: { 'X-Request-Id': ['{http.vars.veil_request}'], ...limits },
      },
    },
    handle_response: [{ match: { status_code: [101] }, routes: upgradeRoutes() }],
  }
}

/** Caddy answers an upgrade that nobody asked for with an empty 200. */
function upgradeRoutes(): CaddyRoute[] {
  return [
    { match: [{ not: [{ header: { Upgrade: ['*'] } }] }], handle: [UPSTREAM_UNREACHABLE] },
    {
      handle: [
        // Caddy 2.6 logs 0 for it, as for a client that hung up.
        { handler: 'vars', veil_call: '{http.vars.veil_call} 101' },
        { handler: 'copy_response' },
      ],
    },
  ]
}
