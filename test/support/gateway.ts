import { pinnedCertificate } from '#lib/pinned-certificate'
import { CaddyAdmin } from '../../src/modules/gateway/caddy'
import {
  type DesiredApi,
  type DesiredGateway,
  renderServer,
} from '../../src/modules/gateway/desired'
import type { TestCaddy } from './caddy'

/** What an echoing upstream saw, told by itself. */
export interface Echo {
  upstream: string
  method: string
  /** The raw request target. */
  target: string
  headers: Record<string, string>
  body: string
}

export interface TestServer {
  port: number
  stop(): Promise<void>
}

/** What edges of tests prove themselves with. */
export const EDGE_CERTIFICATE = pinnedCertificate('secret of the tests', 'edge.veil')
export const EDGE_TLS = {
  key: EDGE_CERTIFICATE.privateKeyPem,
  cert: EDGE_CERTIFICATE.certificatePem,
}

/** An upstream that answers 200 with what it saw. */
export function startEchoUpstream(name: string): TestServer {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const echo: Echo = {
        upstream: name,
        method: request.method,
        target: request.url.slice(new URL(request.url).origin.length),
        headers: Object.fromEntries(request.headers),
        body: await request.text(),
      }
      return Response.json(echo)
    },
  })
  return { port: server.port ?? 0, stop: () => server.stop(true) }
}

export interface StandInEdge extends TestServer {
  /** Every subrequest's headers, oldest first. */
  seen: Record<string, string>[]
}

/**
 * Answers authorize as the edge does: 204 for keys `veil_<id>_good…`, 429 otherwise. A stand-in for tests
 * of the data plane alone, so that they need no database.
 */
export function startStandInEdge(): StandInEdge {
  const seen: Record<string, string>[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: EDGE_TLS,
    fetch: (request) => {
      const headers = Object.fromEntries(request.headers)
      seen.push(headers)
      const [, keyId, rest = ''] = (headers['x-veil-key'] ?? '').split('_')
      if (rest.startsWith('silent')) return new Response('who are you', { status: 200 })
      if (!rest.startsWith('good')) {
        return Response.json(
          { code: 'rate_limited' },
          { status: 429, headers: { 'retry-after': '7' } },
        )
      }
      return new Response(null, {
        status: 204,
        headers: {
          'x-veil-key-id': `key_${keyId}`,
          'x-veil-subscription-id': `sub_${keyId}`,
          ...(rest === 'goodunlimited'
            ? {}
            : { ratelimit: '"key";r=9;t=1', 'ratelimit-policy': '"key";q=10;w=1' }),
        },
      })
    },
  })
  return { port: server.port ?? 0, seen, stop: () => server.stop(true) }
}

export function desiredGateway(
  caddy: TestCaddy,
  edgePorts: number[],
  apis: DesiredApi[],
): DesiredGateway {
  return {
    listen: [caddy.gatewayAddress],
    edgeDials: edgePorts.map((port) => `127.0.0.1:${port}`),
    edgeCertificate: EDGE_CERTIFICATE,
    keyHeader: 'X-API-Key',
    apis,
  }
}

/** Writes `desired` and throws unless it was applied. */
export async function pushDesired(caddy: TestCaddy, desired: DesiredGateway): Promise<void> {
  const admin = new CaddyAdmin(caddy.adminUrl)
  const { etag } = await admin.readServer()
  const outcome = await admin.writeServer(renderServer(desired), etag)
  if (outcome.kind !== 'applied') throw new Error(`not applied: ${JSON.stringify(outcome)}`)
}

export function anApi(part: Partial<DesiredApi> & { slug: string }): DesiredApi {
  return {
    id: `api_${part.slug}`,
    upstreamUrl: 'http://127.0.0.1:9',
    methods: ['GET', 'POST'],
    requiredHeaders: [],
    keyIds: [],
    ...part,
  }
}

/** The key id (12 base62 characters) of the n-th test key. */
export function testKeyId(index: number): string {
  return `K${index.toString(36).padStart(11, '0')}`
}
