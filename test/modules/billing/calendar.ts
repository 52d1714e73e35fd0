import { randomUUID } from 'node:crypto'
import { buildCron } from '#app/background'
import { ensurePartitions } from '#db/migrate'
import { eventually, PASSWORD, type TestUser, TestVeil } from '#test/veil'

const MACHINE = 't'.repeat(32)

export interface Subscriber {
  id: string
  keyId: string
  user: TestUser
}

/** A story told over calendar days: HTTP, the clock and the jobs, nothing else. */
export class Calendar {
  private slugs = 0
  private sequence = 0

  private constructor(
    readonly veil: TestVeil,
    private provider: TestUser,
  ) {}

  static async start(at: string, environment: Record<string, string> = {}): Promise<Calendar> {
    const veil = await TestVeil.start(environment)
    veil.clock.set(new Date(at))
    return new Calendar(veil, await veil.user('provider'))
  }

  async travelTo(at: string): Promise<void> {
    this.veil.clock.set(new Date(at))
    await ensurePartitions(this.veil.container.sql, this.veil.clock)
  }

  /** The jobs that make invoices, in their order; what they did. */
  async bill(): Promise<{ drafted: number; finalized: number }> {
    const cron = buildCron(this.veil.container)
    await cron.runNow('subscription-renewal')
    await cron.runNow('billing-period-closure')
    const { drafted = 0 } = await cron.runNow('invoice-generation')
    const { finalized = 0 } = await cron.runNow('invoice-finalization')
    return { drafted, finalized }
  }

  private async login({ email }: TestUser): Promise<string> {
    const body = { email, password: PASSWORD }
    return (await this.veil.expectOk('POST', '/auth/login', { body })).accessToken
  }

  /** Somebody who subscribes to an API of its own, now. */
  async subscriber(plan: Record<string, unknown>, user?: TestUser): Promise<Subscriber> {
    const { veil } = this
    this.provider.token = await this.login(this.provider)
    const consumer = user ?? (await veil.user('consumer'))
    if (user) user.token = await this.login(user)
    const slug = `story-${++this.slugs}`
    const api = { slug, name: `Story ${this.slugs}`, upstreamUrl: 'https://a.example' }
    const published = await veil.publishedApi(this.provider, api, { slug: 'p', name: 'P', ...plan })
    return { ...(await veil.subscribe(consumer, published)), user: consumer }
  }

  /** So many calls, reported by a gateway and counted. */
  async use({ id, keyId }: Subscriber, calls: number, at = this.veil.clock.now()): Promise<void> {
    const { sql } = this.veil.container
    const count = async () => {
      const [row] = await sql`select coalesce(sum(calls), 0)::int as calls from usage_counters
        where subscription_id = ${id.slice(4)}::uuid`
      return Number(row?.calls)
    }
    const before = await count()
    const events = Array.from({ length: calls }, () => ({
      ...{ id: randomUUID(), gatewayId: 'story', sequence: ++this.sequence, keyId },
      ...{ method: 'GET', path: '/', status: 200, durationMs: 1, requestBytes: 1 },
      ...{ responseBytes: 1, at: at.toISOString() },
    }))
    await this.veil.expectOk('POST', '/usage/events', { token: MACHINE, body: { events } })
    await eventually(count, (counted) => counted === before + calls, 10_000)
  }

  async get(user: TestUser, path: string): Promise<any> {
    return this.veil.expectOk('GET', path, { token: await this.login(user) })
  }

  /** The subscriber's invoices with all that is on them, oldest first. */
  async invoices({ id, user }: Subscriber): Promise<any[]> {
    const { items } = await this.get(user, `/subscriptions/${id}/invoices`)
    const whole: any[] = []
    for (const item of items.reverse())
      whole.push(await this.get(user, `/pricing/invoices/${item.id}`))
    return whole
  }

  stop(): Promise<void> {
    return this.veil.stop()
  }
}

/** Code and amount of each line. */
export const linesOf = (invoice: any) =>
  invoice.lines.map(({ code, amount }: { code: string; amount: number }) => [code, amount])
