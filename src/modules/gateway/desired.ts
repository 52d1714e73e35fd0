import { createHash } from 'node:crypto'
import type { PinnedCertificate } from '#lib/pinned-certificate'
import type { CaddyRoute, CaddyServer } from './config-types'
import { apiRoute, type DesiredApi, UnrenderableApi } from './route-api'
import { guardRoutes } from './route-guards'
import { errorRoutes, proxyRoutes, verdictRoutes } from './route-proxy'
import { prefixTree, type TreeLeaf } from './tree'

export { type DesiredApi, type RequiredHeader, UnrenderableApi } from './route-api'

export interface DesiredGateway {
  /** Caddy addresses, for example `:8080`. */
  listen: string[]
  /** Where the edges answer: `127.0.0.1:9100` or `unix//path`. At least one. */
  edgeDials: string[]
  /** What the edges prove themselves with. */
  edgeCertificate: Pick<PinnedCertificate, 'serverName' | 'der'>
  /** The header that carries a key, besides `Authorization: Bearer`. */
  keyHeader: string
  apis: DesiredApi[]
  /** How long an upstream may take until its response headers; 60 when left out. */
  upstreamTimeoutSeconds?: number
}

/** The access log of the gateway is the logger `http.log.access.veil`, which the Caddyfile writes to a file. */
export const USAGE_LOGGER = 'veil'

/**
 * The value of `apps.http.servers.veil`. Pure, and the same whatever the order of the input.
 *
 * @param kept leaves that stand in for those of the APIs with these ids; null for none at all
 * @throws UnrenderableApi for an API whose slug, upstream, method, header or key id has a wrong shape, or a slug twice
 */
export function renderServer(
  desired: DesiredGateway,
  kept: ReadonlyMap<string, TreeLeaf | null> = new Map(),
): CaddyServer {
  const { keyHeader, edgeDials, edgeCertificate, upstreamTimeoutSeconds = 60 } = desired
  if (!/^[A-Za-z0-9-]+$/.test(keyHeader)) throw new Error(`not a header name: ${keyHeader}`)
  const proxy = { keyHeader, edgeDials, edgeCertificate, upstreamTimeoutSeconds }
  const leaves = desired.apis.flatMap((api) => {
    const leaf = kept.get(api.id)
    if (leaf === undefined) return [{ slug: api.slug, route: routeOf(api, keyHeader) }]
    return leaf === null ? [] : [leaf]
  })
  requireDistinctSlugs(leaves)
  return {
    listen: [...new Set(desired.listen)].toSorted(),
    automatic_https: { disable: true },
    read_header_timeout: 10_000_000_000,
    logs: { default_logger_name: USAGE_LOGGER },
    routes: [
      ...guardRoutes(keyHeader),
      { handle: [{ handler: 'subroute', routes: prefixTree(leaves) }] },
      ...verdictRoutes(proxy),
      ...proxyRoutes(proxy),
    ],
    errors: { routes: errorRoutes() },
  }
}

const routes = new WeakMap<DesiredApi, { keyHeader: string; route: CaddyRoute }>()

/** An API that is the same object as before has the same route as before, so that what is known of it holds. */
function routeOf(api: DesiredApi, keyHeader: string): CaddyRoute {
  const before = routes.get(api)
  if (before?.keyHeader === keyHeader) return before.route
  const route = apiRoute(api, keyHeader)
  routes.set(api, { keyHeader, route })
  return route
}

function requireDistinctSlugs(leaves: TreeLeaf[]): void {
  const seen = new Set<string>()
  for (const { slug, route } of leaves) {
    if (seen.has(slug))
      throw new UnrenderableApi(String(route['@id']), `the slug ${slug} is taken by another API`)
    seen.add(slug)
  }
}

/** SHA-256 (hex) of the canonical JSON: keys sorted, so that what Caddy reads back has the same revision. */
export function revisionOf(server: object | undefined): string {
  return sha256(canonical(server))
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Lists of strings, such as those of a hundred thousand keys, are left to the engine. */
function canonical(value: unknown): string {
  if (Array.isArray(value))
    return value.every((item) => typeof item === 'string')
      ? JSON.stringify(value)
      : `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => {
      const text = key === 'handle' && '@id' in value ? digestOf(member) : canonical(member)
      return `${JSON.stringify(key)}:${text}`
    })
  return `{${members.join(',')}}`
}

const digests = new WeakMap<object, string>()

/** Of the handlers of an API: with their keys nearly all there is, and most stay as they were. */
function digestOf(handlers: object): string {
  const before = digests.get(handlers)
  if (before !== undefined) return before
  const digest = sha256(canonical(handlers))
  digests.set(handlers, digest)
  return digest
}
