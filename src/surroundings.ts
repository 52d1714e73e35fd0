import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '#app/config'
import { findCaddy, isPortFree, SetupError, startCaddy, startPostgres } from '#infra/embedded'
import type { Logger } from '#infra/logger'

export interface SurroundingsOptions {
  config: Config
  logger: Logger
  onProgress(message: string): void
}

interface Child {
  stop(): Promise<void>
  exited: Promise<unknown>
}

/** Durability stays as Postgres ships it; only what a busy queue needs is raised. */
const POSTGRES_FLAGS = ['shared_buffers=256MB', 'max_wal_size=2GB', 'max_connections=200'].flatMap(
  (setting) => ['-c', setting],
)

/** A killed run's children may hold a port for a moment longer. */
const PORT_PATIENCE_MS = 2_000

/**
 * What Veil stands on: Postgres and Caddy, run by us unless DATABASE_URL and GATEWAY_ADMIN_URLS name
 * them. Children are stopped in the reverse order of their start.
 */
export class Surroundings {
  databaseUrl = ''
  gatewayAdminUrls: string[] = []
  usageLog = ''
  private readonly children: Child[] = []
  private stopping = false
  private fail: (error: Error) => void = () => undefined

  /** Rejects when a part that we run ends by itself. */
  readonly broken = new Promise<never>((_, reject) => {
    this.fail = reject
  })

  constructor(private readonly options: SurroundingsOptions) {
    this.broken.catch(() => undefined)
  }

  async start(): Promise<void> {
    const { config } = this.options
    if (config.roles.includes('api')) await demandPort('PORT', config.port, config.host)
    if (config.roles.includes('edge')) await demandPort('EDGE_PORT', config.edge.port, config.host)
    // Side by side: fetching Caddy may take a while, and so does making a database.
    const started = await Promise.allSettled([this.startPostgres(), this.startCaddy()])
    for (const result of started) {
      if (result.status === 'fulfilled') continue
      await this.stop()
      throw result.reason
    }
  }

  async stop(): Promise<void> {
    this.stopping = true
    for (const child of this.children.splice(0).reverse()) await child.stop()
  }

  private watch(name: string, child: Child): void {
    this.children.push(child)
    void child.exited.then(() => {
      if (!this.stopping) this.fail(new Error(`${name} ended by itself`))
    })
  }

  private async startPostgres(): Promise<void> {
    const { config, logger, onProgress } = this.options
    if (config.database.url !== null) {
      this.databaseUrl = config.database.url
      return
    }
    const postgres = await startPostgres({
      dataDir: resolve(config.dataDir, 'postgres'),
      ...(config.database.port !== null && { port: config.database.port }),
      flags: POSTGRES_FLAGS,
      onProgress,
      log: (line) => logger.debug({ line }, 'postgres.said'),
    })
    this.watch('Postgres', postgres)
    this.databaseUrl = postgres.url
  }

  private async startCaddy(): Promise<void> {
    const { config, logger, onProgress } = this.options
    const { gateway } = config
    const dataDir = resolve(config.dataDir)
    this.usageLog = resolve(config.usage.log ?? `${config.dataDir}/usage.log`)
    this.gatewayAdminUrls = gateway.adminUrls ?? [`http://127.0.0.1:${gateway.adminPort}`]
    if (gateway.adminUrls !== null) return
    const { path } = await findCaddy({
      ...(gateway.caddyBin !== null && { caddyBin: gateway.caddyBin }),
      dataDir,
      permitPackageManager: gateway.permitPackageManager,
      onProgress,
    })
    const caddy = await startCaddy({
      binary: path,
      caddyfile: resolve(import.meta.dirname, '../Caddyfile'),
      env: { VEIL_CADDY_ADMIN: `127.0.0.1:${gateway.adminPort}`, VEIL_USAGE_LOG: this.usageLog },
      adminUrl: `http://127.0.0.1:${gateway.adminPort}`,
      dataDir,
      log: (line) => logger.debug({ line }, 'caddy.said'),
      onProgress,
    })
    this.watch('Caddy', caddy)
    await demandPort('GATEWAY_PORT', gateway.port, config.host)
  }
}

async function demandPort(variable: string, port: number, host: string): Promise<void> {
  const giveUpAt = performance.now() + PORT_PATIENCE_MS
  while (!(await isPortFree(port, host))) {
    if (performance.now() > giveUpAt)
      throw new SetupError(
        'port-taken',
        `Port ${port} is taken by another program.`,
        `End that program, or set ${variable} to a free port.`,
      )
    await delay(50)
  }
}
