import type { CaddyRoute } from './config-types'
import { escapeRegExp } from './route-guards'

export interface RequiredHeader {
  name: string
  /** The exact value; null when any will do. */
  value: string | null
}

export interface DesiredApi {
  /** `api_<uuid>` */
  id: string
  /** First segment of the path, `[a-z0-9][a-z0-9-]*`. */
  slug: string
  /** `http(s)://host[:port][/base]` */
  upstreamUrl: string
  /** Allowed methods, upper case. */
  methods: string[]
  requiredHeaders: RequiredHeader[]
  /** Ids of the keys that may pass on to authorize, twelve base62 characters each. */
  keyIds: string[]
}

/** An API that cannot be put into the configuration; nothing is rendered, so the old one keeps serving. */
export class UnrenderableApi extends Error {
  constructor(
    readonly apiId: string,
    reason: string,
  ) {
    super(`API ${apiId} cannot be rendered for the gateway: ${reason}`)
    this.name = 'UnrenderableApi'
  }
}

/**
 * The leaf of one API: it decides (`veil_verdict`) and remembers where to go, in vars; the handlers
 * that act on them exist once for all APIs, which halves the push time and the memory of the gateway.
 */
export function apiRoute(api: DesiredApi, keyHeader: string): CaddyRoute {
  const refused = requireValid(api)
  if (refused) throw new UnrenderableApi(api.id, refused)
  const { dial, host, scheme, base } = upstreamOf(api)
  const methods = sortedUnique(api.methods)
  return {
    '@id': api.id,
    handle: [
      {
        handler: 'vars',
        veil_api: api.id,
        veil_scheme: scheme,
        veil_dial: dial,
        veil_host: host,
        // The replacement of a Go regular expression: $ would start a group.
        veil_base: base.replaceAll('$', '$$$$'),
        veil_allow: methods.join(', '),
        veil_verdict: 'key_not_accepted',
      },
      { handler: 'subroute', routes: verdicts(api, methods, keyHeader) },
    ],
  }
}

/** First match wins; only one leaf runs in a request, so the group may have the same name in all. */
function verdicts(api: DesiredApi, methods: string[], keyHeader: string): CaddyRoute[] {
  const verdict = (matcher: Record<string, unknown>, veil: Record<string, string>): CaddyRoute => ({
    group: 'verdict',
    match: [matcher],
    handle: [{ handler: 'vars', ...veil }],
  })
  const headers = api.requiredHeaders.toSorted((a, b) => compare(headerKey(a), headerKey(b)))
  const keys = sortedUnique(api.keyIds).map((id) => `veil_${id}_*`)
  return [
    verdict({ not: [{ method: methods }] }, { veil_verdict: 'method_not_allowed' }),
    ...headers.map((header) =>
      verdict(
        { not: [requirement(header)] },
        { veil_verdict: 'missing_required_header', veil_missing: header.name },
      ),
    ),
    ...(keys.length > 0
      ? [verdict({ header: { [keyHeader]: keys } }, { veil_verdict: 'allowed' })]
      : []),
  ]
}

/** Caddy's `header` matcher knows wildcards and placeholders; an exact value needs neither. */
function requirement({ name, value }: RequiredHeader): Record<string, unknown> {
  const pattern = value === null ? '' : `^${escapeRegExp(value)}$`
  return { header_regexp: { [name]: { pattern } } }
}

function headerKey({ name, value }: RequiredHeader): string {
  return `${name.toLowerCase()}:${value ?? ''}:${name}`
}

function requireValid(api: DesiredApi): string | null {
  if (!/^[A-Za-z0-9_-]+$/.test(api.id)) return 'its id'
  if (!/^[a-z0-9][a-z0-9-]*$/.test(api.slug)) return `its slug ${api.slug}`
  const method = api.methods.find((name) => !/^[A-Z-]+$/.test(name))
  if (method !== undefined) return `the method ${method}`
  const header = api.requiredHeaders.find(({ name }) => !/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name))
  if (header) return `the required header ${header.name}`
  const key = api.keyIds.find((id) => !/^[A-Za-z0-9]{12}$/.test(id))
  return key === undefined ? null : 'the id of a key'
}

interface Upstream {
  dial: string
  host: string
  scheme: 'http' | 'https'
  base: string
}

function upstreamOf(api: DesiredApi): Upstream {
  const url = URL.canParse(api.upstreamUrl) ? new URL(api.upstreamUrl) : null
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UnrenderableApi(api.id, 'the upstream is not an http(s) URL')
  }
  if (url.search || url.hash || url.username || url.password) {
    throw new UnrenderableApi(api.id, 'the upstream has a query, a fragment or credentials')
  }
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const port = url.port || (scheme === 'https' ? '443' : '80')
  const base = url.pathname.replace(/\/+$/, '')
  if (/[{}\\]/.test(url.host + base)) throw new UnrenderableApi(api.id, 'braces in the upstream')
  return { dial: `${url.hostname}:${port}`, host: url.host, scheme, base }
}

function sortedUnique(values: string[]): string[] {
  return [...new Set(values)].toSorted(compare)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
