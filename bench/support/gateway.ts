import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { findCaddy, freePort, startCaddy } from '#infra/embedded'
import { pinnedCertificate } from '#lib/pinned-certificate'
import { CaddyAdmin } from '../../src/modules/gateway/caddy.ts'
import type { CaddyServer } from '../../src/modules/gateway/config-types.ts'
import { renderServer, USAGE_LOGGER } from '../../src/modules/gateway/desired.ts'
import { residentMb } from './child.ts'
import type { SeededApi, SeededKey } from './seed.ts'

/** A Caddy in a folder of its own, configured by the repository's Caddyfile and one pushed server. */
export interface BenchGateway {
  port: number
  /** How long Caddy took to take the configuration. */
  pushMs: number
  residentMb(): number
  stop(): Promise<void>
}

/** The Caddy that every gateway of a bench runs: CADDY_BIN, or whatever `npm start` would take. */
export async function benchCaddy(): Promise<{ path: string; version: string }> {
  return findCaddy({
    ...(process.env.CADDY_BIN ? { caddyBin: process.env.CADDY_BIN } : {}),
    dataDir: resolve('.veil'),
    permitPackageManager: true,
  })
}

export async function startGateway(options: {
  binary: string
  folder: string
  /** The server to push, given the address that it must listen on. */
  server: (listen: string) => CaddyServer
  /** Instead of the repository's. */
  caddyfile?: string
  /** Instead of what Veil gives its own Caddy. */
  env?: Record<string, string>
}): Promise<BenchGateway> {
  const { binary, folder } = options
  const [adminPort, port] = [await freePort(), await freePort()]
  const adminUrl = `http://127.0.0.1:${adminPort}`
  const caddy = await startCaddy({
    binary,
    caddyfile: options.caddyfile ?? resolve('Caddyfile'),
    env: {
      VEIL_CADDY_ADMIN: `127.0.0.1:${adminPort}`,
      VEIL_USAGE_LOG: join(folder, 'usage.log'),
      ...options.env,
    },
    adminUrl,
    dataDir: folder,
  })
  const stop = async () => {
    await caddy.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const pushMs = await push(adminUrl, options.server(`127.0.0.1:${port}`))
    return { port, pushMs, residentMb: () => residentMb(caddy.pid), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function push(adminUrl: string, server: CaddyServer): Promise<number> {
  const admin = new CaddyAdmin(adminUrl)
  const { etag } = await admin.readServer()
  const started = performance.now()
  const outcome = await admin.writeServer(server, etag)
  if (outcome.kind !== 'applied') throw new Error(`not applied: ${JSON.stringify(outcome)}`)
  return performance.now() - started
}

export const EDGE_CERTIFICATE = pinnedCertificate('secret of the bench', 'edge.veil')

/** What somebody would write who only needs a proxy and the access log. */
export function plainServer(listen: string, upstreamPort: number): CaddyServer {
  return {
    listen: [listen],
    automatic_https: { disable: true },
    logs: { default_logger_name: USAGE_LOGGER },
    routes: [
      {
        handle: [{ handler: 'reverse_proxy', upstreams: [{ dial: `127.0.0.1:${upstreamPort}` }] }],
      },
    ],
  }
}

/** Veil's own server for these APIs and keys, as it would be pushed. */
export function veilServer(options: {
  listen: string
  edgeDial: string
  upstreamPort: number
  apis: readonly SeededApi[]
  keys: readonly SeededKey[]
}): CaddyServer {
  const { listen, edgeDial, upstreamPort, apis, keys } = options
  const keyIds = Map.groupBy(keys, ({ apiId }) => apiId)
  return renderServer({
    listen: [listen],
    edgeDials: [edgeDial],
    edgeCertificate: EDGE_CERTIFICATE,
    keyHeader: 'X-API-Key',
    apis: apis.map(({ id, slug }) => ({
      id,
      slug,
      upstreamUrl: `http://127.0.0.1:${upstreamPort}`,
      methods: ['GET', 'POST'],
      requiredHeaders: [],
      keyIds: (keyIds.get(id) ?? []).map((key) => key.id),
    })),
  })
}
