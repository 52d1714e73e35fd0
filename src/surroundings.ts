import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '#app/config'
import { snapshotPath } from '#app/edge'
import { demandDatabase, demandGateway } from '#app/outside'
import {
  findCaddy,
  KeptServer,
  type KeptServerOptions,
  killCommands,
  portTrouble,
  type RunningCaddy,
  type RunningPostgres,
  SetupError,
  startCaddy,
  startPostgres,
} from '#infra/embedded'
import type { Logger } from '#infra/logger'

export interface SurroundingsOptions {
  config: Config
  logger: Logger
  onProgress(message: string): void
  /** A gateway that comes back knows nothing any more. */
  onGatewayRestarted(): void
}

/** Durability stays as Postgres ships it; only what a busy queue needs is raised. */
const POSTGRES_FLAGS = ['shared_buffers=256MB', 'max_wal_size=2GB', 'max_connections=200'].flatMap(
  (setting) => ['-c', setting],
)

/** A start that is no longer wanted gets this long to come to its end. */
const ABANDON_MS = 3_000

/**
 * What Veil stands on: Postgres and Caddy, run by us unless DATABASE_URL and GATEWAY_ADMIN_URLS name
 * them. One that ends by itself is started again, at the same address and with the same data.
 */
export class Surroundings {
  databaseUrl = ''
  gatewayAdminUrls: string[] = []
  usageLog = ''
  /** An edge alone starts without Postgres, from its snapshot. */
  databaseAway = false
  private readonly kept: { stop(): Promise<void> }[] = []
  private starting: Promise<unknown> = Promise.resolve()
  private fail: (error: Error) => void = () => undefined

  /** Rejects when a part that we run cannot be kept running. */
  readonly broken = new Promise<never>((_, reject) => {
    this.fail = reject
  })

  constructor(private readonly options: SurroundingsOptions) {
    this.broken.catch(() => undefined)
  }

  async start(): Promise<void> {
    const { roles, host, port, edge, metrics, dataDir } = this.options.config
    demandDataFolder(resolve(dataDir))
    if (roles.includes('api')) await demandPort('PORT', port, host)
    if (roles.includes('edge')) await demandPort('EDGE_PORT', edge.port, host)
    if (metrics.port !== null) await demandPort('METRICS_PORT', metrics.port, host)
    // Side by side: fetching Caddy may take a while, and so does making a database.
    const starts = Promise.allSettled([this.startPostgres(), this.startCaddy()])
    this.starting = starts
    for (const result of await starts) if (result.status === 'rejected') throw result.reason
  }

  async stop(): Promise<void> {
    killCommands()
    await Promise.race([this.starting, delay(ABANDON_MS, undefined, { ref: false })])
    for (const server of this.kept.splice(0).reverse()) await server.stop()
  }

  private keep<S extends RunningPostgres | RunningCaddy>(
    options: Pick<KeptServerOptions<S>, 'name' | 'start' | 'onRestarted'>,
  ): Promise<S> {
    const { name } = options
    const { logger } = this.options
    const server = new KeptServer({
      ...options,
      onEnded: (reason) => logger.error({ server: name, reason }, 'server.ended'),
      onRestarted: (running: S) => {
        logger.warn({ server: name, pid: running.pid }, 'server.restarted')
        options.onRestarted?.(running)
      },
    })
    this.kept.push(server)
    server.failed.catch((error) => this.fail(error))
    return server.start()
  }

  private async startPostgres(): Promise<void> {
    const { config, logger, onProgress } = this.options
    if (config.database.url !== null) {
      this.databaseUrl = config.database.url
      return this.demandDatabase(config.database.url)
    }
    let { port } = config.database
    const postgres = await this.keep<RunningPostgres>({
      name: 'Postgres',
      start: () =>
        startPostgres({
          dataDir: resolve(config.dataDir, 'postgres'),
          ...(port !== null && { port }),
          flags: POSTGRES_FLAGS,
          onProgress,
          log: (line) => logger.debug({ line }, 'postgres.said'),
        }),
    })
    // Started again, it must be found where the connections look for it.
    port = postgres.port
    this.databaseUrl = postgres.url
  }

  private async demandDatabase(url: string): Promise<void> {
    const { config, logger } = this.options
    const edgeAlone = config.roles.every((role) => role === 'edge')
    try {
      await demandDatabase(url)
    } catch (error) {
      if (!edgeAlone || !existsSync(snapshotPath(config))) throw error
      this.databaseAway = true
      logger.warn({ reason: String(error) }, 'postgres.away')
    }
  }

  private async startCaddy(): Promise<void> {
    const { config, logger, onProgress, onGatewayRestarted } = this.options
    const { gateway } = config
    const dataDir = resolve(config.dataDir)
    this.usageLog = resolve(config.usage.log ?? join(dataDir, 'usage.log'))
    const adminUrl = `http://127.0.0.1:${gateway.adminPort}`
    this.gatewayAdminUrls = gateway.adminUrls ?? [adminUrl]
    if (gateway.adminUrls !== null) return this.demandGateway(gateway.adminUrls)
    const { path: binary } = await findCaddy({
      ...(gateway.caddyBin !== null && { caddyBin: gateway.caddyBin }),
      dataDir,
      permitPackageManager: gateway.permitPackageManager,
      onProgress,
    })
    await this.keep<RunningCaddy>({
      name: 'Caddy',
      start: () =>
        startCaddy({
          binary,
          caddyfile: resolve(import.meta.dirname, '../Caddyfile'),
          env: { VEIL_CADDY_ADMIN: new URL(adminUrl).host, VEIL_USAGE_LOG: this.usageLog },
          adminUrl,
          dataDir,
          log: (line) => logger.debug({ line }, 'caddy.said'),
          onProgress,
        }),
      onRestarted: onGatewayRestarted,
    })
    // Only now: until then an earlier run's Caddy may have held it.
    await demandPort('GATEWAY_PORT', gateway.port, config.host)
  }

  /** Only the roles that write to the gateway need it. */
  private async demandGateway(adminUrls: string[]): Promise<void> {
    const { roles } = this.options.config
    if (roles.includes('api') || roles.includes('cron')) await demandGateway(adminUrls)
  }
}

function demandDataFolder(folder: string): void {
  const probe = join(folder, `.probe-${process.pid}`)
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(probe, '')
    rmSync(probe)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new SetupError(
      'data-folder',
      `The data folder ${folder} cannot be written (${code}).`,
      'Make it belong to the user who starts Veil, or set VEIL_DATA_DIR to another folder.',
    )
  }
}

async function demandPort(variable: string, port: number, host: string): Promise<void> {
  const trouble = await portTrouble(port, host)
  if (trouble === null) return
  if (trouble === 'EADDRINUSE')
    throw new SetupError(
      'port-taken',
      `Port ${port} is taken by another program.`,
      `End that program, or set ${variable} to a free port.`,
    )
  throw new SetupError(
    'address-unusable',
    `Veil cannot listen on ${host}:${port} (${trouble}).`,
    `Set VEIL_HOST to an address of this machine and ${variable} to a port that this user may take (1024 or higher).`,
  )
}
