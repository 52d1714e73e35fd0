import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { buildApp } from '#app/app'
import { buildWorker, syncGateway } from '#app/background'
import { readConfig } from '#app/config'
import { buildContainer, type Container } from '#app/container'
import { Edge } from '#app/edge'
import { freePort } from '#infra/embedded'
import { createLogger } from '#infra/logger'
import { startTestCaddy, type TestCaddy } from './caddy'
import { TestClock } from './clock'
import { freshDatabase, type TestDatabase } from './database'

export interface Answer<T = any> {
  status: number
  headers: Headers
  body: T
}

export interface RequestOptions {
  token?: string | undefined
  body?: unknown
  headers?: Record<string, string>
}

export interface TestUser {
  id: string
  email: string
  token: string
  refreshToken: string
}

export const PASSWORD = 'correct horse battery staple'

/** All of Veil in this process, on a database and a Caddy of its own. */
export class TestVeil {
  private constructor(
    readonly container: Container,
    readonly database: TestDatabase,
    readonly caddy: TestCaddy,
    readonly clock: TestClock,
    /** Every log line so far. */
    readonly logs: string[],
    readonly url: string,
    private readonly stops: (() => Promise<unknown>)[],
  ) {}

  /** @param adminUrlOf what Veil takes for Caddy's admin endpoint, such as a proxy in front of it */
  static async start(
    environment: Record<string, string> = {},
    adminUrlOf: (caddy: TestCaddy) => Promise<string> = async (caddy) => caddy.adminUrl,
  ): Promise<TestVeil> {
    const [database, caddy, port, edgePort, dataDir] = await Promise.all([
      freshDatabase(),
      startTestCaddy(),
      freePort(),
      freePort(),
      mkdtemp(join(tmpdir(), 'veil-data-')),
    ])
    const config = readConfig({
      NODE_ENV: 'test',
      PORT: String(port),
      EDGE_PORT: String(edgePort),
      GATEWAY_LISTEN: caddy.gatewayAddress,
      GATEWAY_PUBLIC_URL: caddy.gatewayUrl,
      VEIL_DATA_DIR: dataDir,
      ...environment,
    })
    const logs: string[] = []
    const sink = new Writable({
      write: (line, _encoding, done) => {
        logs.push(String(line))
        done()
      },
    })
    const clock = new TestClock()
    const container = buildContainer({
      config,
      database,
      clock,
      logger: createLogger('info', sink),
      secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32), 'u'.repeat(32)] },
      gatewayAdminUrls: [await adminUrlOf(caddy)],
      pushPatienceMs: 700,
      paymentTimeoutMs: 1_000,
      outsideRetry: { maxAttempts: 8, baseMs: 20, capMs: 50 },
      passwordCost: { memoryCost: 8, timeCost: 1 },
    })
    const app = buildApp(container).listen({ hostname: '127.0.0.1', port })
    const worker = buildWorker(container)
    const edge = new Edge(container, caddy.logFile)
    await worker.start()
    await edge.start()
    await syncGateway(container)
    return new TestVeil(container, database, caddy, clock, logs, `http://127.0.0.1:${port}`, [
      () => edge.stop(),
      () => worker.stop(),
      () => app.stop(),
      () => caddy.stop(),
      () => database.drop(),
      async () => rmSync(dataDir, { recursive: true, force: true }),
    ])
  }

  async stop(): Promise<void> {
    for (const stop of this.stops) await stop()
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const { token, body, headers } = options
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text && JSON.parse(text) }
  }

  /** Like `request`, but throws unless it succeeds. */
  async expectOk(method: string, path: string, options: RequestOptions = {}): Promise<any> {
    const { status, body } = await this.request(method, path, options)
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`)
    return body
  }

  private users = 0

  async user(...roles: ('consumer' | 'provider')[]): Promise<TestUser> {
    const email = `user${++this.users}@example.com`
    const body = { email, password: PASSWORD, name: `User ${this.users}`, roles }
    const { user, accessToken, refreshToken } = await this.expectOk('POST', '/auth/register', {
      body,
    })
    return { id: user.id, email, token: accessToken, refreshToken }
  }

  async admin(): Promise<TestUser> {
    const email = 'admin@example.com'
    await this.container.identity.ensureFirstAdmin({ email, password: PASSWORD })
    const { user, accessToken, refreshToken } = await this.expectOk('POST', '/auth/login', {
      body: { email, password: PASSWORD },
    })
    return { id: user.id, email, token: accessToken, refreshToken }
  }

  /** Moves the clock, and lets these users sign in again, since their tokens have expired. */
  async travel(at: Date | string, ...users: TestUser[]): Promise<void> {
    this.clock.set(new Date(at))
    for (const user of users) {
      const body = { email: user.email, password: PASSWORD }
      user.token = (await this.expectOk('POST', '/auth/login', { body })).accessToken
    }
  }

  /** A published API with a plan. */
  async publishedApi(
    provider: TestUser,
    api: Record<string, unknown>,
    plan: Record<string, unknown> = { template: 'free' },
  ): Promise<{ id: string; slug: string; planId: string; version: number }> {
    const { token } = provider
    const body = { name: String(api.slug), ...api }
    const { id } = await this.expectOk('POST', '/provider/apis', { token, body })
    const { id: planId } = await this.expectOk('POST', `/provider/apis/${id}/plans`, {
      token,
      body: plan,
    })
    const published = await this.expectOk('POST', `/provider/apis/${id}/publish`, { token })
    return { id, slug: published.slug, planId, version: published.version }
  }

  async subscribe(
    consumer: TestUser,
    api: { slug: string; planId: string },
  ): Promise<{ id: string; keyId: string; key: string }> {
    const { subscription, apiKey } = await this.expectOk('POST', '/subscriptions', {
      token: consumer.token,
      body: { api: api.slug, planId: api.planId },
    })
    return { id: subscription.id, keyId: apiKey.id, key: apiKey.key }
  }

  /** Asks like `eventually`, and has the worker look at once for mails and webhooks to be tried again. */
  eventuallyRetried<T>(ask: () => Promise<T>, satisfies: (answer: T) => boolean): Promise<T> {
    const nudge = () =>
      this.database.sql`select pg_notify('veil_queue', 'test mail.due webhook.delivery-due')`
    return eventually(async () => {
      await nudge()
      return ask()
    }, satisfies)
  }

  /** A call through the gateway. */
  call(path: string, key: string | null, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (key !== null) headers.set('x-api-key', key)
    return fetch(`${this.caddy.gatewayUrl}${path}`, { ...init, headers })
  }
}

/** Asks again until the answer satisfies, for effects that arrive a moment later; never a fixed wait. */
export async function eventually<T>(
  ask: () => Promise<T>,
  satisfies: (answer: T) => boolean,
  withinMs = 20_000,
): Promise<T> {
  const giveUpAt = performance.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (satisfies(answer)) return answer
    if (performance.now() > giveUpAt)
      throw new Error(`not within ${withinMs} ms; last: ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
