import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { eq } from 'drizzle-orm'
import { syncGateway } from '#app/background'
import { readConfig } from '#app/config'
import { buildContainer, type Container } from '#app/container'
import { apiAllowedMethods, apis } from '#db/schema/catalog'
import { freePort } from '#infra/embedded'
import { createLogger } from '#infra/logger'
import type { AtFailpoint, Failpoint } from '#lib/failpoint'
import { startTestCaddy, type TestCaddy } from '#test/caddy'
import { freshDatabase, type TestDatabase } from '#test/database'
import { seedApi, seedPlan, seedSubscription, seedUser } from '#test/seed'
import { bundled } from './bundled'
import type { CommitPlan } from './commit-process'
import type { Operation, Shown, Subject } from './operations'

export type { Operation, Subject } from './operations'

interface Ending {
  signal: string | null
  /** What the user saw; null when the process was killed. */
  shown: (Shown & { error?: string }) | null
}

/** A process that hangs after trouble is ended, as its operator would. */
const HUNG_MS = 10_000

/** A database and a Caddy, and processes that change both and are killed at it. */
export class CommitLane {
  private constructor(
    public database: TestDatabase,
    readonly caddy: TestCaddy,
    private readonly environment: Record<string, string>,
    private readonly closedPort: number,
  ) {}

  static async start(databaseOf = freshDatabase): Promise<CommitLane> {
    const [database, caddy] = await Promise.all([databaseOf(), startTestCaddy()])
    const environment = { NODE_ENV: 'test', GATEWAY_LISTEN: caddy.gatewayAddress }
    return new CommitLane(database, caddy, environment, await freePort())
  }

  async stop(): Promise<void> {
    await Promise.all([this.caddy.stop(), this.database.drop()])
  }

  /** The services in this process, as another replica would run them. */
  container(
    options: {
      adminUrls?: string[]
      reached?: AtFailpoint
      patienceMs?: number
      adminCallTimeoutMs?: number
    } = {},
  ) {
    return buildContainer({
      config: readConfig(this.environment),
      database: this.database,
      logger: createLogger('silent'),
      secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32)] },
      gatewayAdminUrls: options.adminUrls ?? [this.caddy.adminUrl],
      pushPatienceMs: options.patienceMs ?? 2_000,
      adminCallTimeoutMs: options.adminCallTimeoutMs ?? 8_000,
      reached: options.reached ?? (() => undefined),
    })
  }

  /** A subject for the operation, served as the database says. */
  async subject(operation: Operation): Promise<Subject> {
    const { db } = this.database
    if (operation.endsWith('-key')) {
      const seeded = await seedSubscription(db)
      await db.insert(apiAllowedMethods).values({ apiId: seeded.apiId, method: 'GET' })
      const id = operation === 'create-key' ? seeded.subscriptionId : seeded.keyId
      await this.recover()
      return { id, actorId: seeded.userId }
    }
    const actorId = await seedUser(db, ['provider'])
    const id = await seedApi(db, actorId)
    await seedPlan(db, id)
    await db.insert(apiAllowedMethods).values({ apiId: id, method: 'GET' })
    if (operation === 'publish')
      await db.update(apis).set({ status: 'draft' }).where(eq(apis.id, id))
    await this.recover()
    return { id, actorId }
  }

  /** Runs a change, or a recovery, in a process that kills itself at `point`. */
  async run(
    operation: CommitPlan['operation'],
    subject: Subject,
    { point, isCaddyDown = false }: { point: Failpoint; isCaddyDown?: boolean },
  ): Promise<Ending> {
    const adminUrl = isCaddyDown ? `http://127.0.0.1:${this.closedPort}` : this.caddy.adminUrl
    const { ending } = await this.spawn({ operation, subject, adminUrl }, point)
    return ending
  }

  /** Runs a change in a process that is stopped at `point` when this returns, and goes on when told. */
  async runUntil(
    point: Failpoint,
    operation: Operation,
    subject: Subject,
  ): Promise<{ goOn(): Promise<Ending> }> {
    const plan = { operation, subject, isStopped: true }
    const { child, ending } = await this.spawn(plan, point)
    await Promise.race([once(child.stdout, 'data'), ending])
    return {
      goOn: () => {
        child.kill('SIGCONT')
        const timer = setTimeout(() => child.kill('SIGKILL'), HUNG_MS)
        return ending.finally(() => clearTimeout(timer))
      },
    }
  }

  private async spawn(
    part: Omit<CommitPlan, 'databaseUrl' | 'adminUrl'> & { adminUrl?: string },
    point: Failpoint,
  ) {
    // Half a second, where a stopped process would hold its locks for half a minute.
    const databaseUrl = `${this.database.url}?idle_in_transaction_session_timeout=500`
    const plan = { databaseUrl, adminUrl: this.caddy.adminUrl, ...part }
    const child = spawn(
      process.execPath,
      [await bundled('commit-process'), JSON.stringify(plan satisfies CommitPlan)],
      {
        cwd: resolve(import.meta.dirname, '../../..'),
        env: { PATH: process.env.PATH ?? '', ...this.environment, FAILPOINT: point },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    const ending = once(child, 'close').then(([, signal]): Ending => {
      const shown = output.replace('stopped\n', '')
      return { signal, shown: shown === '' ? null : JSON.parse(shown) }
    })
    return { child, ending }
  }

  /** As if the deadlines of all changes in doubt were over. */
  async passDeadlines(): Promise<void> {
    await this.database.sql`
      update gateway_commits set deadline_at = '-infinity' where state = 'preparing'`
  }

  async recover(container: Container = this.container()) {
    await this.passDeadlines()
    return syncGateway(container)
  }
}
