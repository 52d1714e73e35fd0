import Stripe from 'stripe'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import { asked, ProviderRefused } from './provider-trouble'

export interface StripeSettings {
  secretKey: string
  webhookSecret: string
  apiBase: string
  /** After which a request counts as unanswered; 20 s unless stated. */
  timeoutMs?: number
}

/** A card, as far as a person needs to recognise it. */
export interface Card {
  externalId: string
  brand: string
  lastFour: string
  expiryMonth: number
  expiryYear: number
  createdAt: Date
}

/** Cards, since only they can be charged at once while the customer is away. */
const CARDS_ONLY = { enabled: true, allow_redirects: 'never' } as const
const TOLERANCE_SECONDS = 300
const TIMEOUT_MS = 20_000

/**
 * Stripe's API, as far as we use it: the only place that knows its library. Every request is one try;
 * whoever asks knows what to do about an unclear answer.
 */
export class StripeApi {
  private readonly stripe: Stripe

  constructor(private readonly settings: StripeSettings) {
    const { protocol, hostname, port } = new URL(settings.apiBase)
    this.stripe = new Stripe(settings.secretKey, {
      ...{ protocol: protocol === 'http:' ? 'http' : 'https', host: hostname },
      ...(port !== '' && { port: Number(port) }),
      ...{ maxNetworkRetries: 0, timeout: settings.timeoutMs ?? TIMEOUT_MS, telemetry: false },
    })
  }

  /** Once per user, however often it is asked. Stripe gets no more of a user than our id. */
  async createCustomer(userId: Id<'usr'>): Promise<string> {
    const params = { metadata: { user_id: userId } }
    const options = { idempotencyKey: `customer-${userId}` }
    return (await asked(this.stripe.customers.create(params, options))).id
  }

  /** @returns what the customer's browser needs to hand Stripe a card */
  async createSetup(customer: string): Promise<{ id: string; clientSecret: string }> {
    const params = { customer, automatic_payment_methods: CARDS_ONLY }
    const { id, client_secret } = await asked(this.stripe.setupIntents.create(params))
    return { id, clientSecret: client_secret ?? '' }
  }

  /** The cards that a customer lets us charge, newest first; none of a customer that was deleted. */
  async listCards(customer: string): Promise<Card[]> {
    try {
      const params = { customer, type: 'card', limit: 100 } as const
      const { data } = await asked(this.stripe.paymentMethods.list(params))
      return data.flatMap(({ id, card, created }) => (card ? [cardOf(id, card, created)] : []))
    } catch (error) {
      if (error instanceof ProviderRefused) return []
      throw error
    }
  }

  /** Takes a card from its customer; one that has none any more is left as it is. */
  async detach(externalId: string): Promise<void> {
    try {
      await asked(this.stripe.paymentMethods.detach(externalId))
    } catch (error) {
      if (!(error instanceof ProviderRefused)) throw error
    }
  }

  /** Whether Stripe made the signature over this very body, within five minutes of `at`. */
  async isSigned(body: string, signature: string, at: Date): Promise<boolean> {
    const { webhookSecret } = this.settings
    const verifier = invariant(this.stripe.webhooks.signature, 'the library can check signatures')
    const parts = [body, signature, webhookSecret, TOLERANCE_SECONDS] as const
    return verifier.verifyHeaderAsync(...parts, undefined, at.getTime()).catch(() => false)
  }
}

const cardOf = (externalId: string, card: Stripe.PaymentMethod.Card, created: number): Card => ({
  ...{ externalId, brand: card.brand, lastFour: card.last4 },
  ...{ expiryMonth: card.exp_month, expiryYear: card.exp_year },
  createdAt: new Date(created * 1000),
})
