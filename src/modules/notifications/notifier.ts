import type { Db } from '#db/client'
import { enqueueMails } from '#infra/mail'
import type { Worker } from '#infra/queue'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import { letter } from './letter'
import type { Rule } from './rule'
import { RULES } from './rules'
import { enqueueDeliveries } from './webhook.repository'

/** Keeps a statement below the 65,535 parameters that Postgres takes, however many are told. */
const PEOPLE_AT_ONCE = 500

/** Turns events into mails and webhook deliveries, as the rules say. */
export class Notifier {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  register(worker: Worker): void {
    for (const rule of RULES)
      worker.on(rule.event, (payload, { event }) => this.tell(rule, payload, event.id))
  }

  /**
   * All of it or nothing, and once: a mail is known by event and person, a delivery by event and
   * endpoint, so that an event which is delivered again tells nobody again.
   */
  private async tell(
    { event, look, notices }: Rule<{ at?: string }, object>,
    payload: { at?: string },
    eventId: Id<'evt'>,
  ): Promise<void> {
    await this.db.transaction(async (tx) => {
      const news = await look(tx, payload)
      if (!news) return
      const timestamp = payload.at ?? this.clock.now().toISOString()
      const { name: type } = event
      const body = JSON.stringify({ type, timestamp, data: news.facts })
      for (const { to, mail } of notices) {
        const words = mail?.(news.facts)
        for (const people of chunks(news[to] ?? [], PEOPLE_AT_ONCE)) {
          const mails = people.flatMap((person) =>
            words
              ? [{ ...letter(person, words), dedupeKey: `${eventId}:${to}:${person.userId}` }]
              : [],
          )
          await enqueueMails(tx, mails, this.clock)
          const owners = people.map(({ userId }) => userId)
          await enqueueDeliveries(tx, owners, { messageId: eventId, type, body }, this.clock)
        }
      }
    })
  }
}

function* chunks<T>(items: T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
