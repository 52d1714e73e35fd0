import type { Clock } from '#lib/clock'
import { Book, type Thing } from './book'
import type { Fate } from './cards'
import { Checkout } from './checkout'
import { endpointsOf } from './endpoints'
import { FakeEvents } from './events'
import { Intents } from './intents'
import { Methods } from './methods'
import { Refunds } from './refunds'
import { StripeServer } from './server'

export type { StripeFault } from './faults'

/**
 * Stripe, as far as Veil uses it: its HTTP API on loopback, with a memory, its refusals, its idempotency
 * keys and its signed events. What a customer or a bank does is done by calling the methods here.
 */
export class FakeStripe {
  static readonly SECRET_KEY = 'sk_test_fake'
  static readonly WEBHOOK_SECRET = 'whsec_fake'
  readonly events: FakeEvents
  private readonly book: Book
  private readonly methods: Methods
  private readonly refunds: Refunds
  private readonly checkout: Checkout
  private readonly server: StripeServer

  private constructor(clock: Clock) {
    this.events = new FakeEvents(clock)
    this.book = new Book(clock, this.events)
    const intents = new Intents(this.book)
    this.methods = new Methods(this.book)
    this.refunds = new Refunds(this.book)
    this.checkout = new Checkout(this.book, intents, this.methods)
    const { book, methods, refunds, checkout } = this
    const endpoints = endpointsOf({ book, intents, methods, refunds, checkout })
    this.server = new StripeServer(FakeStripe.SECRET_KEY, endpoints)
  }

  static async start(clock: Clock): Promise<FakeStripe> {
    const fake = new FakeStripe(clock)
    await fake.server.listen()
    return fake
  }

  /** What Veil is to be started with. */
  get environment(): Record<string, string> {
    return {
      STRIPE_SECRET_KEY: FakeStripe.SECRET_KEY,
      STRIPE_WEBHOOK_SECRET: FakeStripe.WEBHOOK_SECRET,
      STRIPE_API_BASE: this.url,
    }
  }

  get url(): string {
    return this.server.url
  }

  get faults() {
    return this.server.faults
  }

  /** Every request that came, oldest first. */
  get seen() {
    return this.server.seen
  }

  /** Has events delivered to this installation of Veil, as they happen. */
  deliverTo(veilUrl: string): void {
    const url = `${veilUrl}/payments/webhooks/stripe`
    this.events.endpoint = { url, secret: FakeStripe.WEBHOOK_SECRET }
  }

  /** The customer's browser confirms with a test card. @throws StripeRefusal when it is declined */
  confirmSetup(setupIntentId: string, token: string): Thing {
    return this.methods.confirmSetup(setupIntentId, token)
  }

  /** The customer pays on the page of a Checkout session. */
  payCheckout(sessionId: string, token: string): Thing {
    return this.checkout.pay(sessionId, token)
  }

  /** Nobody has paid on the page within its day. */
  expireCheckout(sessionId: string): void {
    this.checkout.expire(sessionId)
  }

  /** A card that was good behaves otherwise from now on. */
  cardBecomes(methodId: string, fate: Fate): void {
    const card = this.book.cards.get(methodId)
    if (!card) throw new Error(`no card ${methodId}`)
    card.fate = fate
  }

  /** A card is taken from its customer, and not by us. */
  detachElsewhere(methodId: string): void {
    this.methods.detach(methodId)
  }

  /** A refund made in the dashboard. */
  refundInDashboard(intentId: string, amount: number): Thing {
    return this.refunds.create({ payment_intent: intentId, amount: String(amount) })
  }

  finishRefund(refundId: string, status: 'succeeded' | 'failed'): void {
    this.refunds.finish(refundId, status)
  }

  dispute(intentId: string): Thing {
    return this.refunds.dispute(intentId)
  }

  closeDispute(disputeId: string, status: 'won' | 'lost'): void {
    this.refunds.closeDispute(disputeId, status)
  }

  /** Charges that took money, of one of our payments or of all; oldest first. */
  charges(paymentId?: string): Thing[] {
    return this.book
      .all('charge')
      .filter(({ paid }) => paid)
      .filter(({ metadata }) => paymentId === undefined || metadata.payment_id === paymentId)
  }

  all(kind: Parameters<Book['all']>[0]): Thing[] {
    return this.book.all(kind)
  }

  forgetKeys(): void {
    this.server.forgetKeys()
  }

  async stop(): Promise<void> {
    await this.events.settle()
    await this.server.stop()
  }
}
