import { buildApp } from '#app/app'
import { buildCron, buildWorker, syncGateway } from '#app/background'
import type { Config } from '#app/config'
import { buildContainer, type Container } from '#app/container'
import { Edge } from '#app/edge'
import { addDatabase } from '#app/monitoring'
import { secretsOf } from '#app/secrets'
import { Surroundings } from '#app/surroundings'
import { connect } from '#db/client'
import { postgresCodeOf } from '#db/errors'
import { migrate } from '#db/migrate'
import { systemClock } from '#infra/clock'
import { SetupError } from '#infra/embedded'
import type { Logger } from '#infra/logger'
import { MetricsServer } from '#infra/metrics'
import { readPricingFile } from '#modules/pricing'

/** For the person at the terminal. */
export interface Audience {
  progress(message: string): void
  /** Called at once when a password was made up: it is shown then or never. */
  firstAdmin(email: string, password: string): void
}

const INSUFFICIENT_PRIVILEGE = '42501'
/** Requests in flight get this long to end. */
const DRAIN_MS = 10_000
const STOP_MS = 30_000

/** One process: its surroundings, its services and the roles that it plays. */
export class Veil {
  private readonly surroundings: Surroundings
  /** What was started, to be stopped in reverse order. */
  private readonly running: (() => Promise<unknown>)[] = []
  private container: Container | null = null
  /** Rejects when something that Veil stands on cannot be kept running. */
  readonly broken: Promise<never>

  constructor(
    private readonly config: Config,
    private readonly logger: Logger,
    private readonly audience: Audience,
  ) {
    this.surroundings = new Surroundings({
      ...{ config, logger, onProgress: audience.progress },
      onGatewayRestarted: () => this.restoreGateway(),
    })
    this.broken = this.surroundings.broken
  }

  /** @returns the milliseconds that it took */
  async start(): Promise<number> {
    const began = performance.now()
    const { config, surroundings } = this
    // Read before anything is started: a broken file should not cost a minute.
    readPricingFile(config.pricingFile)
    this.running.push(() => surroundings.stop())
    await surroundings.start()
    if (!surroundings.databaseAway) await this.migrate()
    const container = this.buildContainer()
    if (!surroundings.databaseAway) await this.ensureFirstAdmin(container)
    await this.startRoles(container)
    return performance.now() - began
  }

  /** Stops what runs, the last started first: nothing is asked of a part that is gone. */
  async stop(): Promise<void> {
    for (const stop of this.running.splice(0).reverse())
      await inTime(stop()).catch((error) => this.logger.error({ err: error }, 'stop.failed'))
  }

  private async ensureFirstAdmin({ identity }: Container): Promise<void> {
    const { email, password } = this.config.admin
    const admin = await identity.ensureFirstAdmin({ email, password })
    if (admin.password !== undefined) this.audience.firstAdmin(email, admin.password)
  }

  private async migrate(): Promise<void> {
    try {
      await migrate(this.surroundings.databaseUrl, systemClock)
    } catch (error) {
      if (postgresCodeOf(error)?.code !== INSUFFICIENT_PRIVILEGE) throw error
      throw new SetupError(
        'database-unusable',
        'The user of DATABASE_URL may not create tables in this database.',
        'Make that user the owner of the database, or name one in DATABASE_URL that is.',
      )
    }
  }

  /** A gateway that was started again is empty; the job would see to it, but calls wait meanwhile. */
  private restoreGateway(): void {
    if (!this.container || !this.config.roles.includes('cron')) return
    syncGateway(this.container).catch((error) =>
      this.logger.warn({ reason: String(error) }, 'gateway.restore-failed'),
    )
  }

  private buildContainer(): Container {
    const { config, logger, surroundings } = this
    const database = connect({ url: surroundings.databaseUrl })
    this.running.push(() => database.close())
    this.container = buildContainer({
      config,
      database,
      logger,
      secrets: secretsOf(config),
      gatewayAdminUrls: surroundings.gatewayAdminUrls,
    })
    return this.container
  }

  private async startRoles(container: Container): Promise<void> {
    const { roles, metrics, host } = this.config
    if (metrics.port !== null)
      await this.run(new MetricsServer(container.metrics, { hostname: host, port: metrics.port }))
    if (!this.surroundings.databaseAway) this.running.push(await container.sandbox.start())
    if (roles.includes('edge')) await this.run(new Edge(container, this.surroundings.usageLog))
    if (roles.includes('worker')) await this.run(buildWorker(container))
    if (roles.includes('cron')) {
      addDatabase(container)
      await syncGateway(container)
      await this.run(buildCron(container))
    }
    if (roles.includes('api')) this.serve(container)
  }

  private async run(role: { start(): unknown; stop(): Promise<unknown> }): Promise<void> {
    await role.start()
    this.running.push(() => role.stop())
  }

  private serve(container: Container): void {
    const { host, port } = this.config
    const app = buildApp(container).listen({ hostname: host, port })
    this.running.push(async () => {
      const late = setTimeout(() => void app.stop(true), DRAIN_MS)
      await app.stop()
      clearTimeout(late)
    })
  }
}

/** So that no part that hangs keeps the others from being stopped. */
async function inTime(work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('did not stop in time')), STOP_MS)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
