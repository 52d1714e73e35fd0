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

/** A payment as Stripe sees it. */
export interface Intent {
  id: string
  status: Stripe.PaymentIntent.Status
  /** Minor units that have come in. */
  amountReceived: bigint
  /** Of the last try; null without one. */
  failureCode: string | null
}

/** A payment of ours in Stripe's list. */
export interface ListedIntent extends Intent {
  /** Our id, as it was told to Stripe. */
  paymentId: string
  currency: string
}

/** A page of Stripe's on which a customer pays. */
export interface CheckoutPage {
  id: string
  isExpired: boolean
  /** Null once it cannot be used any more. */
  url: string | null
  intentId: string | null
}

/** Money on its way back, as Stripe sees it. */
export interface StripeRefund {
  id: string
  state: 'waiting' | 'succeeded' | 'failed'
  amount: bigint
  currency: string
  failureCode: string | null
  /** Ours, where we asked for it. */
  refundId: string | null
  intentId: string | null
}

/** What a customer's bank takes back. `inquiry`: it only asks, and has taken nothing. */
export interface StripeDispute {
  id: string
  state: 'inquiry' | 'open' | 'won' | 'lost'
  amount: bigint
  reason: string
  intentId: string | null
}

/** What Stripe is to take for an invoice; `amount` in minor units. */
export interface Charge {
  paymentId: Id<'pay'>
  invoiceId: Id<'inv'>
  customer: string
  amount: bigint
  currency: string
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

  /**
   * Makes a payment that takes nothing yet. Asked again for the same payment it is the same one, at least
   * for a day; and if it were another one, that would take nothing either.
   */
  async createIntent(charge: Charge, method: string): Promise<Intent> {
    const { paymentId, customer, amount, currency } = charge
    const params = {
      ...{ amount: Number(amount), currency: currency.toLowerCase(), customer },
      ...{ payment_method: method, automatic_payment_methods: CARDS_ONLY },
      metadata: metadataOf(charge),
    }
    const options = { idempotencyKey: paymentId }
    return intentOf(await asked(this.stripe.paymentIntents.create(params, options)))
  }

  async getIntent(id: string): Promise<Intent> {
    return intentOf(await asked(this.stripe.paymentIntents.retrieve(id)))
  }

  /** Takes the money, once however often it is asked; what became of it is in the answer. */
  async confirmIntent(id: string): Promise<Intent> {
    try {
      const confirmed = this.stripe.paymentIntents.confirm(id, { off_session: true })
      return intentOf(await asked(confirmed))
    } catch (error) {
      // Declined, or confirmed before: Stripe knows which.
      if (error instanceof ProviderRefused) return this.getIntent(id)
      throw error
    }
  }

  /** A page on which the customer pays, once; the card is kept for the next time. */
  async createCheckout(charge: Charge, name: string, returnUrl: string): Promise<CheckoutPage> {
    const { paymentId, customer, amount, currency } = charge
    const metadata = metadataOf(charge)
    const price = { currency: currency.toLowerCase(), unit_amount: Number(amount) }
    const params = {
      ...{ mode: 'payment' as const, customer, success_url: returnUrl, cancel_url: returnUrl },
      line_items: [{ quantity: 1, price_data: { ...price, product_data: { name } } }],
      payment_intent_data: { metadata, setup_future_usage: 'off_session' as const },
      ...{ metadata, client_reference_id: paymentId },
    }
    const options = { idempotencyKey: paymentId }
    return pageOf(await asked(this.stripe.checkout.sessions.create(params, options)))
  }

  async getCheckout(id: string): Promise<CheckoutPage> {
    return pageOf(await asked(this.stripe.checkout.sessions.retrieve(id)))
  }

  /** Closes a page on which nobody has paid; one that is paid or closed stays as it is. */
  async expireCheckout(id: string): Promise<CheckoutPage> {
    try {
      return pageOf(await asked(this.stripe.checkout.sessions.expire(id)))
    } catch (error) {
      if (error instanceof ProviderRefused) return this.getCheckout(id)
      throw error
    }
  }

  /** Once per refund, at least for a day. */
  async createRefund(refundId: Id<'ref'>, intentId: string, amount: bigint): Promise<StripeRefund> {
    const params = {
      ...{ payment_intent: intentId, amount: Number(amount) },
      metadata: { refund_id: refundId },
    }
    const options = { idempotencyKey: refundId }
    return refundOf(await asked(this.stripe.refunds.create(params, options)))
  }

  /** All refunds of a payment, newest first. */
  async listRefunds(intentId: string): Promise<StripeRefund[]> {
    const list = this.stripe.refunds.list({ payment_intent: intentId, limit: 100 })
    return (await asked(list.autoPagingToArray({ limit: 10_000 }))).map(refundOf)
  }

  /** Payments of ours that were made since then, newest first, page by page. */
  async *intentsSince(since: Date): AsyncGenerator<ListedIntent[]> {
    const list = (page: PageOfList) => asked(this.stripe.paymentIntents.list(page))
    for await (const page of pagesOf(list, since))
      yield page.flatMap((intent) => {
        const { currency, metadata } = intent
        const paymentId = metadata.payment_id
        // Others may use the account, too.
        return paymentId === undefined
          ? []
          : [{ ...intentOf(intent), paymentId, currency: currency.toUpperCase() }]
      })
  }

  /** Refunds that were made since then, newest first, page by page. */
  async *refundsSince(since: Date): AsyncGenerator<StripeRefund[]> {
    const list = (page: PageOfList) => asked(this.stripe.refunds.list(page))
    for await (const page of pagesOf(list, since)) yield page.map(refundOf)
  }

  async getDispute(id: string): Promise<StripeDispute> {
    return disputeOf(await asked(this.stripe.disputes.retrieve(id)))
  }

  /** Whether Stripe made the signature over this very body, within five minutes of `at`. */
  async isSigned(body: string, signature: string, at: Date): Promise<boolean> {
    const { webhookSecret } = this.settings
    const verifier = invariant(this.stripe.webhooks.signature, 'the library can check signatures')
    const parts = [body, signature, webhookSecret, TOLERANCE_SECONDS] as const
    return verifier.verifyHeaderAsync(...parts, undefined, at.getTime()).catch(() => false)
  }
}

interface PageOfList {
  created: { gte: number }
  limit: number
  starting_after?: string
}

const secondsOf = (date: Date): number => Number(BigInt(date.getTime()) / 1_000n)

async function* pagesOf<T extends { id: string }>(
  list: (page: PageOfList) => Promise<{ data: T[]; has_more: boolean }>,
  since: Date,
): AsyncGenerator<T[]> {
  const page: PageOfList = { created: { gte: secondsOf(since) }, limit: 100 }
  for (;;) {
    const { data, has_more } = await list(page)
    yield data
    const last = data.at(-1)
    if (!has_more || !last) return
    page.starting_after = last.id
  }
}

const cardOf = (externalId: string, card: Stripe.PaymentMethod.Card, created: number): Card => ({
  ...{ externalId, brand: card.brand, lastFour: card.last4 },
  ...{ expiryMonth: card.exp_month, expiryYear: card.exp_year },
  createdAt: new Date(created * 1000),
})

const metadataOf = ({ paymentId, invoiceId }: Charge) => ({
  ...{ payment_id: paymentId, invoice_id: invoiceId },
})

const intentOf = (intent: Stripe.PaymentIntent): Intent => ({
  ...{ id: intent.id, status: intent.status, amountReceived: BigInt(intent.amount_received) },
  failureCode: intent.last_payment_error?.decline_code ?? intent.last_payment_error?.code ?? null,
})

const pageOf = ({ id, status, url, payment_intent }: Stripe.Checkout.Session): CheckoutPage => ({
  ...{ id, url, isExpired: status === 'expired' },
  intentId: idOf(payment_intent),
})

const idOf = (intent: string | Stripe.PaymentIntent | null): string | null =>
  typeof intent === 'string' ? intent : (intent?.id ?? null)

const REFUND_STATES: Record<string, StripeRefund['state']> = {
  ...{ succeeded: 'succeeded', failed: 'failed', canceled: 'failed' },
}

const refundOf = (refund: Stripe.Refund): StripeRefund => ({
  ...{ id: refund.id, amount: BigInt(refund.amount), currency: refund.currency.toUpperCase() },
  state: REFUND_STATES[refund.status ?? ''] ?? 'waiting',
  failureCode: refund.failure_reason ?? null,
  refundId: refund.metadata?.refund_id ?? null,
  intentId: idOf(refund.payment_intent),
})

const disputeOf = (dispute: Stripe.Dispute): StripeDispute => {
  const { id, status, reason, payment_intent: intent } = dispute
  const isInquiry = status.startsWith('warning_') || status === 'prevented'
  const closed = (['won', 'lost'] as const).find((outcome) => outcome === status)
  return {
    ...{ id, reason, amount: BigInt(dispute.amount) },
    state: isInquiry ? 'inquiry' : (closed ?? 'open'),
    intentId: idOf(intent),
  }
}
