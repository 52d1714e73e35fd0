import { randomBytes } from 'node:crypto'
import type { Clock } from '#lib/clock'
import type { Card } from './cards'
import type { FakeEvents } from './events'
import { type Form, integer, text } from './form'
import { invalid, noSuch } from './refusal'

/** An object as Stripe answers it. */
export type Thing = { id: string; object: string; created: number; [field: string]: any }

const PREFIXES = {
  customer: 'cus',
  setup_intent: 'seti',
  payment_method: 'pm',
  payment_intent: 'pi',
  charge: 'ch',
  refund: 're',
  dispute: 'dp',
  balance_transaction: 'txn',
  'checkout.session': 'cs_test',
} as const
export type Kind = keyof typeof PREFIXES

/** All objects of the account, and how its cards behave. */
export class Book {
  private readonly things = new Map<string, Thing>()
  readonly cards = new Map<string, Card>()

  constructor(
    readonly clock: Clock,
    readonly events: FakeEvents,
  ) {}

  now(): number {
    return Math.floor(this.clock.now().getTime() / 1000)
  }

  add(object: Kind, fields: Record<string, unknown>): Thing {
    const id = `${PREFIXES[object]}_${randomBytes(12).toString('hex')}`
    const thing = { id, object, created: this.now(), livemode: false, ...fields }
    this.things.set(id, thing)
    return thing
  }

  /** @throws StripeRefusal 404 */
  get(object: Kind, id: string): Thing {
    const thing = this.things.get(id)
    if (thing?.object !== object) throw noSuch(object, id)
    return thing
  }

  /** Oldest first. */
  all(object: Kind): Thing[] {
    return [...this.things.values()].filter((thing) => thing.object === object)
  }

  /** A page, newest first, as Stripe's lists are; `filters` are fields of the objects. */
  page(object: Kind, query: Form, filters: readonly string[]) {
    const limit = query.limit === undefined ? 10 : integer(query.limit, 'limit')
    if (limit < 1 || limit > 100) throw invalid('limit must be between 1 and 100')
    const created = (query.created ?? {}) as Form
    const since = created.gte === undefined ? 0 : integer(created.gte, 'created[gte]')
    const matching = this.all(object)
      .toReversed()
      .filter((thing) => thing.created >= since)
      .filter((thing) => filters.every((name) => [null, thing[name]].includes(text(query, name))))
    const after = text(query, 'starting_after')
    const start = after === null ? 0 : matching.findIndex(({ id }) => id === after) + 1
    const data = matching.slice(start, start + limit)
    return { object: 'list', data, has_more: start + limit < matching.length, url: '/v1' }
  }
}
