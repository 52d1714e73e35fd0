import type { CaddyHandler, CaddyRoute } from './config-types'
import { AMBIGUOUS_PATH, FORBIDDEN_CONNECTION_OPTION, UNKNOWN_API } from './route-problem'

/** The request target as it came over the wire: later placeholders hold what Go made of it. */
const RAW_TARGET = '{http.request.orig_uri}'
const CANONICAL_SEGMENT = '^/[a-z0-9-]+(?:[/?]|$)'
/** RFC 3986 `pchar`: with anything else Go writes the path anew, and `%2F` would become a slash. */
const CANONICAL_PATH = "^/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*(?:\\?|$)"
/** What all of these let pass and nearly every call looks like: one expression tried in place of three. */
const PLAIN_PATH =
  "^/[a-z0-9-]+(?:/(?:[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)?)*(?:\\?|$)"
/** In the decoded path, with what some servers also take for a separator: backslash and `..;`. */
const DOT_SEGMENT = '(?:^|[/\\\\])\\.\\.?(?:[/\\\\;]|$)'

/**
 * What every request passes first. Caddy's path matcher decodes, cleans and ignores case; these are
 * stricter, so that the tree behind them cannot be reached by a path that the upstream reads otherwise.
 */
export function guardRoutes(keyHeader: string): CaddyRoute[] {
  const carriers = `(?i)(?:^|[\\s,])(?:${escapeRegExp(keyHeader)}|authorization|x-veil-)`
  return [
    { handle: prelude() },
    when({ not: [vars(RAW_TARGET, PLAIN_PATH)] }, [
      refuse({ not: [vars(RAW_TARGET, CANONICAL_SEGMENT)] }, UNKNOWN_API),
      refuse({ not: [vars(RAW_TARGET, CANONICAL_PATH)] }, AMBIGUOUS_PATH),
      refuse(vars('{http.request.uri.path}', DOT_SEGMENT), AMBIGUOUS_PATH),
    ]),
    // A header named in Connection is dropped before it is proxied: the edge would be picked at random.
    refuse({ header_regexp: { Connection: { pattern: carriers } } }, FORBIDDEN_CONNECTION_OPTION),
    when({ header: { Authorization: ['*'] } }, bearerRoutes(keyHeader)),
  ]
}

/** Routes that are only tried on such requests: every route costs every call its matcher. */
export function when(matcher: Record<string, unknown>, routes: CaddyRoute[]): CaddyRoute {
  return { match: [matcher], handle: [{ handler: 'subroute', routes }] }
}

function refuse(matcher: Record<string, unknown>, refusal: CaddyHandler): CaddyRoute {
  return { match: [matcher], handle: [refusal] }
}

function vars(placeholder: string, pattern: string): Record<string, unknown> {
  return { vars_regexp: { [placeholder]: { pattern } } }
}

/**
 * The access log's `user_id` is `{http.auth.user.id}`, evaluated when the line is written. The map
 * makes it our own var, which only a confirmed authorize sets: no header can name the key that pays.
 */
function prelude(): CaddyHandler[] {
  return [
    { handler: 'vars', veil_request: '{http.request.uuid}', veil_verdict: 'unknown_api' },
    {
      handler: 'map',
      source: '{http.vars.veil_call}',
      destinations: ['{http.auth.user.id}'],
      mappings: [{ input_regexp: '^(.+)$', outputs: ['$1'] }],
    },
    { handler: 'headers', request: { delete: ['X-Veil-*'] } },
  ]
}

/** Copies `Authorization: Bearer veil_…` into the key header, so that the allow-lists exist once. */
function bearerRoutes(keyHeader: string): CaddyRoute[] {
  return [
    {
      match: [
        {
          not: [{ header_regexp: { [keyHeader]: { pattern: '.' } } }],
          header_regexp: {
            Authorization: {
              name: 'veil_bearer',
              pattern: '(?i)^bearer +((?-i:veil_)[^\\s,]+)\\s*$',
            },
          },
        },
      ],
      handle: [
        {
          handler: 'headers',
          request: { set: { [keyHeader]: ['{http.regexp.veil_bearer.1}'] } },
        },
      ],
    },
    {
      match: [{ header_regexp: { Authorization: { pattern: '(?i)^\\s*bearer\\s+veil_' } } }],
      handle: [{ handler: 'headers', request: { delete: ['Authorization'] } }],
    },
  ]
}

/** For Go's regular expressions (RE2). */
export function escapeRegExp(text: string): string {
  return text.replace(/[^A-Za-z0-9]/g, (char) => `\\x{${char.codePointAt(0)?.toString(16)}}`)
}
