import { randomUUID } from 'node:crypto'
import { SeededRandom } from '#test/random'
import type { FakeStripe } from '#test/stripe/index'
import { eventually, PASSWORD, type TestUser, type TestVeil } from '#test/veil'
import { addCard, startWithStripe } from '../modules/payments/payments-fixture'
import { PLANS } from './plans'
import { drawStories, type YearStory } from './stories'

/** The jobs that move money, in the order in which a day does them; in earnest each runs every few minutes. */
export const JOBS = [
  'usage-partitions',
  'trial-expiration',
  'subscription-renewal',
  'scheduled-plan-changes',
  'billing-period-closure',
  'invoice-generation',
  'invoice-finalization',
  'payment-collection',
]

const BEGIN = new Date('2027-01-01T00:00:00.000Z')
/** Nothing is begun or ends within two hours before it. */
export const END = new Date('2028-01-01T02:00:00.000Z')
const DAY_MS = 86_400_000
const EVENING_MS = 20 * 3_600_000

/** A subscription and who has it. */
export interface Life {
  story: YearStory
  consumer: TestUser
  id: string
  keyId: string
}

export interface YearOptions {
  subscriptions: number
  /** The same seed tells the same stories. */
  seed: number
  /** A day that is left out is caught up with. */
  jobsEveryDays: number
}

interface Deed {
  at: Date
  do(): Promise<unknown>
}

/** A marketplace with one API of twelve plans, its provider and admin. */
export class Year {
  readonly lives: Life[] = []
  private admin!: TestUser
  private sequence = 0
  private readonly planIds = new Map<string, string>()

  private constructor(
    readonly veil: TestVeil,
    readonly stripe: FakeStripe,
    private readonly stories: readonly YearStory[],
    private readonly jobsEveryDays: number,
  ) {}

  static async begin({ subscriptions, seed, jobsEveryDays }: YearOptions): Promise<Year> {
    const { veil, stripe } = await startWithStripe()
    veil.clock.set(BEGIN)
    const stories = drawStories(subscriptions, BEGIN, END, new SeededRandom(seed))
    const year = new Year(veil, stripe, stories, jobsEveryDays)
    await year.listApi()
    await year.runJobs()
    return year
  }

  private async listApi(): Promise<void> {
    this.admin = await this.veil.admin()
    const provider = await this.veil.user('provider')
    const [first, ...others] = PLANS
    const api = await this.veil.publishedApi(
      provider,
      { slug: 'year', upstreamUrl: 'https://a.example' },
      first?.input,
    )
    this.planIds.set(first?.slug ?? '', api.planId)
    for (const { slug, input } of others) {
      const path = `/provider/apis/${api.id}/plans`
      const plan = await this.veil.expectOk('POST', path, { token: provider.token, body: input })
      this.planIds.set(slug, plan.id)
    }
  }

  /** Lives through the year: all that people do at its time, and the jobs in the evening. */
  async live(): Promise<void> {
    const deeds = this.stories.flatMap((story) => this.deedsOf(story))
    const stepMs = this.jobsEveryDays * DAY_MS
    for (let at = BEGIN.getTime(); at < END.getTime() - DAY_MS; at += stepMs)
      deeds.push({ at: new Date(at + EVENING_MS), do: () => this.runJobs() })
    deeds.push({ at: END, do: () => this.runJobs() })
    for (const { at, do: perform } of deeds.sort((a, b) => a.at.getTime() - b.at.getTime())) {
      this.veil.clock.set(at)
      await perform()
    }
  }

  /** @returns what each job said that it did */
  async runJobs(): Promise<Record<string, Record<string, number>>> {
    const told: Record<string, Record<string, number>> = {}
    await this.quiet()
    for (const job of JOBS) {
      told[job] = await this.run(job)
      await this.quiet()
    }
    return told
  }

  private async run(job: string): Promise<Record<string, number>> {
    await this.signIn(this.admin)
    const { token } = this.admin
    return (await this.veil.expectOk('POST', `/admin/jobs/${job}/run`, { token })).counts
  }

  private deedsOf(story: YearStory): Deed[] {
    let life: Life | null = null
    const living = () => {
      if (!life) throw new Error('it has not begun')
      return life
    }
    const { startsAt, change, cancel, calls, refundAt } = story
    const ask = async (action: string, body?: unknown) => {
      const { id, consumer } = living()
      await this.signIn(consumer)
      const path = `/subscriptions/${id}/${action}`
      await this.veil.expectOk('POST', path, { token: consumer.token, ...(body ? { body } : {}) })
    }
    return [
      {
        at: startsAt,
        do: async () => {
          life = await this.subscribe(story)
        },
      },
      ...(change
        ? [
            {
              at: change.at,
              do: () => ask('upgrade', { planId: this.planIds.get(change.plan.slug) }),
            },
          ]
        : []),
      ...(cancel
        ? [{ at: cancel.at, do: () => ask('cancel', { at: cancel.atOnce ? 'now' : 'period_end' }) }]
        : []),
      ...(refundAt ? [{ at: refundAt, do: () => this.refundFirst(living()) }] : []),
      ...calls.map(({ at, units, toldAt }) => ({
        at: toldAt,
        do: () => this.tell(living(), at, units),
      })),
    ]
  }

  private async subscribe(story: YearStory): Promise<Life> {
    const { veil } = this
    const consumer = await veil.user('consumer')
    await addCard(this, consumer)
    const planId = this.planIds.get(story.plan.slug) ?? ''
    const { id, keyId } = await veil.subscribe(consumer, { slug: 'year', planId })
    const life = { story, consumer, id, keyId }
    this.lives.push(life)
    return life
  }

  /** An admin gives back the half of what the customer paid first. */
  private async refundFirst({ consumer }: Life): Promise<void> {
    await Promise.all([this.signIn(this.admin), this.signIn(consumer)])
    const payments = await this.all('/payments', consumer)
    const first = payments.findLast(({ status }) => status === 'succeeded')
    if (!first) return
    const body = { amount: Math.ceil(first.amount / 2), reason: 'requested_by_customer' }
    const path = `/payments/${first.id}/refund`
    await this.veil.expectOk('POST', path, { token: this.admin.token, body })
  }

  /** Every page of a list, newest first. */
  async all(path: string, { token }: TestUser): Promise<any[]> {
    const items: any[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor ? `?limit=100&cursor=${cursor}` : '?limit=100'
      const page: any = await this.veil.expectOk('GET', `${path}${query}`, { token })
      items.push(...page.items)
      cursor = page.nextCursor
    } while (cursor !== null)
    return items
  }

  /** A gateway tells of calls; the ledger has them before the jobs run. */
  private async tell({ keyId }: Life, at: Date, units: number): Promise<void> {
    // In earnest it runs every minute: a call waits for its period no longer than that.
    await this.run('subscription-renewal')
    const events = Array.from({ length: units }, () => ({
      ...{ id: randomUUID(), gatewayId: 'gateway', sequence: ++this.sequence, keyId },
      ...{ method: 'GET', path: '/', status: 200, durationMs: 1, requestBytes: 1 },
      ...{ responseBytes: 1, at: at.toISOString() },
    }))
    const body = { events }
    const receipt = await this.veil.expectOk('POST', '/usage/events', {
      token: 't'.repeat(32),
      body,
    })
    if (receipt.accepted !== units) throw new Error(JSON.stringify(receipt.rejected[0]))
  }

  /** Returns when no event is due or being handled. */
  private async quiet(): Promise<void> {
    await eventually(
      async () => {
        const [row] = await this.veil.container.sql<{ left: number }[]>`
          select count(*)::int as left from events
          where done_until is null and (run_at <= now() or run_at = 'infinity')`
        return row?.left
      },
      (left) => left === 0,
      60_000,
    )
  }

  /** All that is billed and booked, row by row. */
  async state(): Promise<unknown> {
    const tables = [
      'billing_periods',
      'subscription_adjustments',
      'invoices',
      'ledger_entries',
      'payment_records',
      'refunds',
      'credit_notes',
    ]
    const rows = tables.map((table) =>
      this.veil.database.sql.unsafe(`select to_jsonb(row) as row from ${table} as row order by 1`),
    )
    return Promise.all(rows)
  }

  async signIn(user: TestUser): Promise<void> {
    const body = { email: user.email, password: PASSWORD }
    user.token = (await this.veil.expectOk('POST', '/auth/login', { body })).accessToken
  }

  async end(): Promise<void> {
    await this.veil.stop()
    await this.stripe.stop()
  }
}
