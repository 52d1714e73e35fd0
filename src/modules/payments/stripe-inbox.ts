import { z } from 'zod'
import type { Db } from '#db/client'
import type { WebhookSubject } from '#db/schema/payments'
import { publish, type Worker } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { newId } from '#lib/id'
import { PaymentsManual, WebhookMalformed, WebhookUnsigned } from './errors'
import { stripeEventReceived } from './events'
import * as inbox from './inbox.repository'
import type { StripeApi } from './stripe'

/** An event as Stripe sends it. Of its object only ids are kept: what it is now is read from Stripe. */
const StripeEvent = z.object({
  id: z.string().max(255),
  object: z.literal('event'),
  type: z.string().max(255),
  data: z.object({
    object: z.object({
      object: z.string(),
      id: z.string().default(''),
      customer: z.string().nullish(),
      payment_intent: z.string().nullish(),
    }),
  }),
})

/** Does what an event asks for; called again it must change nothing. */
export type StripeEventHandler = (subject: WebhookSubject) => Promise<void>

/** By the beginning of the event's type; others are stored and need nothing. */
export type StripeEventHandlers = Record<string, StripeEventHandler>

/**
 * Takes Stripe's events: signed ones are stored, each once, and answered at once; what they mean is
 * worked out from the queue. Those about one object, or one customer's cards, one after another.
 */
export class StripeInbox {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly stripe: StripeApi | null,
    private readonly handlers: StripeEventHandlers,
  ) {}

  /** @throws WebhookUnsigned, WebhookMalformed (400) */
  async receive(body: string, signature: string): Promise<void> {
    if (!this.stripe) throw new PaymentsManual()
    const receivedAt = this.clock.now()
    if (!(await this.stripe.isSigned(body, signature, receivedAt))) throw new WebhookUnsigned()
    const { id: externalId, type, data } = parseEvent(body)
    const { object, id, customer = null, payment_intent = null } = data.object
    const subject = { object, id, customer, paymentIntent: payment_intent }
    const inboxId = newId('whi', this.clock)
    const row = { id: inboxId, source: 'stripe' as const, externalId, type, subject, receivedAt }
    await this.db.transaction(async (tx) => {
      if (!(await inbox.insertEvent(tx, row))) return
      const orderingKey = `stripe:${payment_intent ?? customer ?? id}`
      await publish(tx, stripeEventReceived, { inboxId }, { orderingKey })
    })
  }

  register(worker: Worker): void {
    worker.on(stripeEventReceived, async ({ inboxId }) => {
      const event = await inbox.findEvent(this.db, inboxId)
      if (!event || event.handledAt) return
      await this.handlerOf(event.type)?.(event.subject)
      await inbox.markHandled(this.db, inboxId, this.clock.now())
    })
  }

  private handlerOf(type: string): StripeEventHandler | undefined {
    const prefix = Object.keys(this.handlers).find((known) => type.startsWith(known))
    return prefix === undefined ? undefined : this.handlers[prefix]
  }
}

function parseEvent(body: string) {
  try {
    return StripeEvent.parse(JSON.parse(body))
  } catch {
    throw new WebhookMalformed()
  }
}
