import { randomUUID } from 'node:crypto'
import { buildCron } from '#app/background'
import { ensurePartitions } from '#db/migrate'
import { eventually, type TestUser, type TestVeil } from '#test/veil'

const MACHINE = 't'.repeat(32)
let sequence = 0

/** One period, with what money asks of it. Amounts in minor units. */
export interface PeriodRow {
  id: string
  ordinal: number
  start: Date
  end: Date
  cycleStart: Date
  cycleEnd: Date
  kind: string
  status: string
  fee: number
  quota: number | null
  plan: string
}

/** A consumer's subscription in a Veil whose clock stands still between the steps of a story. */
export class Life {
  id = ''
  key = ''
  keyId = ''
  slug = ''
  apiId = ''
  readonly plans: Record<string, string> = {}

  private constructor(
    readonly veil: TestVeil,
    readonly provider: TestUser,
    readonly consumer: TestUser,
  ) {}

  /** Publishes an API with these plans, and subscribes to the first of them at `at`. */
  static async begin(
    veil: TestVeil,
    at: string,
    plans: Record<string, Record<string, unknown>>,
    upstreamUrl = 'https://a.example',
  ): Promise<Life> {
    const life = await Life.publish(veil, at, plans, upstreamUrl)
    await life.subscribe(Object.keys(plans)[0] ?? '')
    return life
  }

  static async publish(
    veil: TestVeil,
    at: string,
    plans: Record<string, Record<string, unknown>>,
    upstreamUrl = 'https://a.example',
  ): Promise<Life> {
    veil.clock.stop(new Date(at))
    const life = new Life(veil, await veil.user('provider'), await veil.user('consumer'))
    const [[first = '', terms = {}] = [], ...others] = Object.entries(plans)
    const of = (slug: string, plan: object) => ({ slug, name: slug, type: 'flat', ...plan })
    const api = { slug: `life-${++sequence}`, upstreamUrl }
    const { id, slug, planId } = await veil.publishedApi(life.provider, api, of(first, terms))
    Object.assign(life, { apiId: id, slug })
    life.plans[first] = planId
    for (const [name, plan] of others) life.plans[name] = await life.addPlan(of(name, plan))
    return life
  }

  async addPlan(body: object): Promise<string> {
    const { token } = this.provider
    const path = `/provider/apis/${this.apiId}/plans`
    return (await this.veil.expectOk('POST', path, { token, body })).id
  }

  async subscribe(plan: string): Promise<void> {
    const planId = this.plans[plan] ?? ''
    const made = await this.veil.subscribe(this.consumer, { slug: this.slug, planId })
    Object.assign(this, { id: made.id, key: made.key, keyId: made.keyId })
  }

  /** The clock stands still at `at`; everybody signs in again. */
  async at(at: string | Date): Promise<void> {
    await this.veil.travel(at, this.consumer, this.provider)
    this.veil.clock.stop(new Date(at))
  }

  ask(method: string, path = '', body?: unknown) {
    const { token } = this.consumer
    return this.veil.request(method, `/subscriptions/${this.id}${path}`, { token, body })
  }

  async ok(method: string, path = '', body?: unknown): Promise<any> {
    const { status, body: answer } = await this.ask(method, path, body)
    if (status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
    return answer
  }

  /** Runs jobs as cron does. */
  async run(...jobs: string[]): Promise<void> {
    for (const job of jobs) await buildCron(this.veil.container).runNow(job)
  }

  /** So many billable calls at an instant, as a gateway reports them; returns when they are booked. */
  async use(units: number, at: Date = this.veil.clock.now()): Promise<void> {
    await ensurePartitions(this.veil.container.sql, this.veil.clock)
    const before = await this.unitsInAll()
    const event = () => ({
      ...{ id: randomUUID(), gatewayId: 'gw', sequence: ++sequence, keyId: this.keyId },
      ...{ method: 'GET', path: '/', status: 200, durationMs: 1 },
      ...{ requestBytes: 1, responseBytes: 1, at: at.toISOString() },
    })
    const body = { events: Array.from({ length: units }, event) }
    await this.veil.expectOk('POST', '/usage/events', { token: MACHINE, body })
    await eventually(
      () => this.unitsInAll(),
      (now) => now === before + units,
    )
  }

  private async unitsInAll(): Promise<number> {
    const [row] = await this.veil.container.sql`
      select coalesce(sum(units), 0)::int as units from usage_counters
      where subscription_id = ${this.id.slice(4)}::uuid`
    return row?.units
  }

  async periods(): Promise<PeriodRow[]> {
    return [
      ...(await this.veil.container.sql<PeriodRow[]>`
        select period.id, ordinal, starts_at as start, ends_at as end, kind, period.status,
          cycle_starts_at as "cycleStart", cycle_ends_at as "cycleEnd", plan.slug as plan,
          period.flat_fee::int as fee, period.quota_limit::int as quota
        from billing_periods period join pricing_models plan on plan.id = pricing_model_id
        where subscription_id = ${this.id.slice(4)}::uuid order by ordinal`),
    ]
  }

  async adjustments(): Promise<{ code: string; amount: number }[]> {
    return [
      ...(await this.veil.container.sql<{ code: string; amount: number }[]>`
        select code, amount::int as amount from subscription_adjustments
        where subscription_id = ${this.id.slice(4)}::uuid order by created_at, amount`),
    ]
  }

  /** Types of events about it, in no order. */
  async events(): Promise<string[]> {
    const found = await eventually(
      () => this.veil.container.sql`
        select type from event_history where payload->>'subscriptionId' = ${this.id}`,
      (rows) => rows.length > 0,
    )
    return found.map(({ type }) => type)
  }

  async reasons(): Promise<string[]> {
    const { items } = await this.ok('GET', '/history?limit=100')
    return items.map(({ reason }: { reason: string }) => reason).reverse()
  }
}

export const day = (date: Date): string => date.toISOString().slice(0, 10)
