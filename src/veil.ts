import { buildApp } from '#app/app'
import { buildCron, buildWorker, syncGateway } from '#app/background'
import type { Config } from '#app/config'
import { buildContainer, type Container } from '#app/container'
import { Edge } from '#app/edge'
import { secretsOf } from '#app/secrets'
import { Surroundings } from '#app/surroundings'
import { connect } from '#db/client'
import { migrate } from '#db/migrate'
import { systemClock } from '#infra/clock'
import type { Logger } from '#infra/logger'
import { readPricingFile } from '#modules/pricing'

export interface Started {
  /** The password is there only when this start made it up. */
  admin: { email: string; password?: string }
  milliseconds: number
}

/** One process: its surroundings, its services and the roles that it plays. */
export class Veil {
  private readonly surroundings: Surroundings
  /** What was started, to be stopped in reverse order. */
  private readonly running: (() => Promise<unknown>)[] = []
  readonly broken: Promise<never>

  constructor(
    private readonly config: Config,
    private readonly logger: Logger,
    onProgress: (message: string) => void,
  ) {
    this.surroundings = new Surroundings({ config, logger, onProgress })
    this.broken = this.surroundings.broken
  }

  async start(): Promise<Started> {
    const began = performance.now()
    const { config, surroundings } = this
    // Read before anything is started: a broken file should not cost a minute.
    readPricingFile(config.pricingFile)
    this.running.push(() => surroundings.stop())
    await surroundings.start()
    await migrate(surroundings.databaseUrl, systemClock)
    const container = this.buildContainer()
    const { email, password } = config.admin
    const admin = await container.identity.ensureFirstAdmin({ email, password })
    await this.startRoles(container)
    return {
      admin: { email, ...(admin.password !== undefined && { password: admin.password }) },
      milliseconds: performance.now() - began,
    }
  }

  /** Stops what runs, the last started first: nothing is asked of a part that is gone. */
  async stop(): Promise<void> {
    for (const stop of this.running.splice(0).reverse())
      await stop().catch((error) => this.logger.error({ err: error }, 'stop.failed'))
  }

  private buildContainer(): Container {
    const { config, logger, surroundings } = this
    const database = connect({ url: surroundings.databaseUrl })
    this.running.push(() => database.close())
    return buildContainer({
      config,
      database,
      logger,
      secrets: secretsOf(config),
      gatewayAdminUrls: surroundings.gatewayAdminUrls,
    })
  }

  private async startRoles(container: Container): Promise<void> {
    const { roles } = this.config
    if (roles.includes('edge')) await this.run(new Edge(container, this.surroundings.usageLog))
    if (roles.includes('worker')) await this.run(buildWorker(container))
    if (roles.includes('cron')) {
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
    this.running.push(() => app.stop())
  }
}
