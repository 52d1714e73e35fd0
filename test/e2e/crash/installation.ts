import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '#test/poll'
import { type Place, VeilProcess } from '#test/process'
import { KeptRole } from './kept-role'

const ROLES = ['api', 'worker', 'edge'] as const
type Role = (typeof ROLES)[number]
export type Victim = Role | 'postgres' | 'caddy'

export const USAGE_TOKEN = 't'.repeat(32)
export const ADMIN = { email: 'admin@example.com', password: 'a password of an admin' }

/**
 * A Veil whose roles are processes of their own. The one with the role `cron` supervises Postgres and
 * Caddy, with the settings that users get; the others are kept running by us.
 */
export class Installation {
  private readonly roles = new Map<Role, KeptRole>()

  private constructor(
    private readonly ground: VeilProcess,
    readonly databaseUrl: string,
  ) {}

  /** @param usageUrl where the edge reports usage */
  static async start(usageUrl: string, place: Place): Promise<Installation> {
    const { folder, environment: ports } = place
    const shared = {
      ...{ VEIL_SECRET: 's'.repeat(32), USAGE_TOKENS: USAGE_TOKEN, USAGE_URL: usageUrl },
      ...{ ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password },
      ...{ EDGE_DIALS: `127.0.0.1:${ports.EDGE_PORT}` },
      GATEWAY_LISTEN: `127.0.0.1:${ports.GATEWAY_PORT}`,
    }
    const environment = { ...ports, ...shared, VEIL_ROLES: 'cron' }
    const ground = await VeilProcess.start({ place: { folder, environment } })
    const installation = new Installation(ground, databaseUrlOf(environment))
    const outside = {
      DATABASE_URL: installation.databaseUrl,
      GATEWAY_ADMIN_URLS: `http://127.0.0.1:${ports.CADDY_ADMIN_PORT}`,
      USAGE_LOG: installation.usageLog,
    }
    const start = async (role: Role) => {
      const own = { VEIL_ROLES: role, VEIL_DATA_DIR: join(folder, role) }
      const environment = { ...ports, ...shared, ...outside, ...own }
      installation.roles.set(role, await KeptRole.start({ folder, environment }))
    }
    for (const result of await Promise.allSettled(ROLES.map(start)))
      if (result.status === 'rejected') {
        await installation.dispose()
        throw result.reason
      }
    return installation
  }

  get usageLog(): string {
    return join(this.ground.place.environment.VEIL_DATA_DIR ?? '', 'usage.log')
  }

  get gatewayUrl(): string {
    return this.ground.gatewayUrl
  }

  get apiUrl(): string {
    return this.ground.url
  }

  /** SIGKILL, and what keeps it running starts it again. Of a server that is away just now: as soon as it is back. */
  async kill(victim: Victim): Promise<void> {
    const role = this.roles.get(victim as Role)
    if (role) return role.kill()
    await eventually(() => this.ground.hasChild(victim), `a ${victim} to kill`, 20_000)
    process.kill(this.ground.childPid(victim), 'SIGKILL')
  }

  /** Until every part runs again. */
  async untilUp(): Promise<void> {
    const isUp = async () =>
      [...this.roles.values()].every((role) => role.isReady) &&
      (await fetch(`${this.apiUrl}/health/ready`, { keepalive: false }).then(
        ({ ok }) => ok,
        () => false,
      ))
    await eventually(isUp, 'every part to run again', 30_000)
  }

  /** Processes that ended although nobody killed them. */
  get defects(): string[] {
    return [
      ...[...this.roles.values()].flatMap(({ defects }) => defects),
      ...(this.ground.isRunning ? [] : [`cron: ${this.ground.stdout}${this.ground.stderr}`]),
    ]
  }

  get logs(): string {
    const own = `--- cron\n${(this.ground.stdout + this.ground.stderr).slice(-3_000)}\n`
    const others = [...this.roles].map(([name, { log }]) => `--- ${name}\n${log.slice(-3_000)}\n`)
    return [own, ...others].join('')
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.roles.values()].map((role) => role.stop()))
    await this.ground.dispose()
  }
}

function databaseUrlOf(environment: Record<string, string>): string {
  const { VEIL_DATA_DIR: folder = '', POSTGRES_PORT: port } = environment
  const password = readFileSync(join(folder, 'postgres.password'), 'utf8').trim()
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
}
