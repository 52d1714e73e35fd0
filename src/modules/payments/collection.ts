import type { Db } from '#db/client'
import type { Logger } from '#infra/logger'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import type { AtFailpoint } from '#lib/failpoint'
import { type Id, newId } from '#lib/id'
import { attempted } from './attempted'
import type { PaymentMethodService } from './methods.service'
import { outcomeOf } from './outcome'
import type { DueInvoice, Payment } from './payments.repository'
import * as payments from './payments.repository'
import { ProviderRefused, ProviderUnclear } from './provider-trouble'
import type { PaymentSettler } from './settler'
import type { Charge, CheckoutPage, Intent, StripeApi } from './stripe'

export interface CollectionParts {
  db: Db
  clock: Clock
  logger: Logger
  stripe: StripeApi
  methods: PaymentMethodService
  settler: PaymentSettler
  /** Told of each step of a payment. */
  reached: AtFailpoint
  /** Where Stripe's page sends the customer back to. */
  returnUrl: string
}

/** A payment that Stripe does not even know after so long never took anything, and is given up. */
const UNKNOWN_TO_STRIPE_MS = 3_600_000
const AT_ONCE = 200

/**
 * Gets the money for invoices. A try is a row first; then a payment at Stripe that takes nothing yet, whose
 * id is committed; only then it is confirmed. Stripe confirms a payment once, so that whatever dies or is
 * lost in between, going on from the row never takes the money a second time.
 */
export class Collection {
  constructor(private readonly parts: CollectionParts) {}

  /**
   * Charges the newest card for what is due, or goes on with the try that is under way.
   * @param attempts how many tries the caller knows of: where there are more by now, there is no other
   * @returns null where nothing is due, or there is no card
   * @throws ProviderUnclear: the try stays under way
   */
  async collect(invoiceId: Id<'inv'>, attempts?: number): Promise<Payment | null> {
    const payment = await this.begin(invoiceId, 'card', attempts)
    return payment && this.advance(payment)
  }

  /** A page on which the customer pays what is due; the one that is open, if there is one. */
  async checkout(invoiceId: Id<'inv'>): Promise<{ payment: Payment; url: string | null } | null> {
    const payment = await this.begin(invoiceId, 'checkout')
    if (!payment) return null
    if (payment.channel !== 'checkout') return { payment: await this.advance(payment), url: null }
    const page = await this.pageOf(payment)
    return { payment: await this.settlePage(payment, page), url: page?.url ?? null }
  }

  /** Closes the page that is open for an invoice, so that a card can be charged instead. */
  async closePage(invoiceId: Id<'inv'>): Promise<void> {
    const payment = await payments.findPending(this.parts.db, invoiceId)
    if (payment?.channel !== 'checkout') return
    const page = await this.pageOf(payment)
    await this.settlePage(payment, page && (await this.parts.stripe.expireCheckout(page.id)))
  }

  /** Goes on with a try from wherever it was left. @throws ProviderUnclear */
  async advance(payment: Payment): Promise<Payment> {
    if (payment.provider !== 'stripe') return payment
    if (payment.channel === 'checkout' && payment.status === 'pending')
      return this.settlePage(payment, await this.pageOf(payment))
    if (payment.status === 'pending') return this.charge(payment)
    return payment.externalId === null ? payment : this.look(payment, payment.externalId)
  }

  /** Takes up what was left behind: tries under way since before `before`, invoices nobody tried. */
  async resume(before: Date) {
    const { db, logger } = this.parts
    const counts = { settled: 0, waiting: 0, collected: 0, unclear: 0, broken: 0 }
    for (const payment of await payments.listPending(db, before, AT_ONCE)) {
      const now = await attempted(logger, payment.id, () => this.advance(payment))
      if (typeof now === 'string') counts[now]++
      else if (now.status === 'pending') counts.waiting++
      else counts.settled++
    }
    for (const invoiceId of await payments.listUncollected(db, before, AT_ONCE)) {
      const now = await attempted(logger, invoiceId, () => this.collect(invoiceId))
      if (typeof now === 'string') counts[now]++
      else if (now !== null) counts.collected++
    }
    return counts
  }

  /** The row of a try, committed: the one under way, or a new one. */
  private async begin(
    invoiceId: Id<'inv'>,
    channel: 'card' | 'checkout',
    known?: number,
  ): Promise<Payment | null> {
    const payment = await this.parts.db.transaction(async (tx) => {
      const invoice = await payments.lockInvoice(tx, invoiceId)
      const pending = await payments.findPending(tx, invoiceId)
      if (pending) return pending
      if (!isOwed(invoice)) return null
      const attempts = await payments.countAttempts(tx, invoiceId)
      if (known !== undefined && known !== attempts) return null
      const method = await this.parts.methods.chargeable(tx, invoice.userId)
      if (channel === 'card' && method === null) return null
      return payments.insertPayment(tx, {
        ...{ id: newId('pay', this.parts.clock), invoiceId, userId: invoice.userId, channel },
        ...{ provider: 'stripe', status: 'pending', currency: invoice.currency },
        ...{ amount: invoice.amountDue, createdAt: this.parts.clock.now() },
        methodId: channel === 'card' ? (method?.id ?? null) : null,
        attempt: attempts + 1,
      })
    })
    await this.parts.reached('payment.recorded')
    return payment
  }

  private async charge(payment: Payment): Promise<Payment> {
    const { stripe, reached } = this.parts
    const { externalId } = payment
    if (externalId !== null) {
      const intent = await stripe.getIntent(externalId)
      if (outcomeOf(intent).kind !== 'open') return this.settle(payment, intent)
    }
    const intentId = externalId ?? (await this.makeIntent(payment))
    if (intentId === null) return this.asItIs(payment)
    await reached('payment.intent-saved')
    const confirmed = await stripe.confirmIntent(intentId)
    await reached('payment.charged')
    const settled = await this.settle(payment, confirmed)
    await reached('payment.settled')
    return settled
  }

  /** Has Stripe say what became of a payment. */
  private async look(payment: Payment, intentId: string): Promise<Payment> {
    return this.settle(payment, await this.parts.stripe.getIntent(intentId))
  }

  private async settle(payment: Payment, intent: Intent): Promise<Payment> {
    const outcome = outcomeOf(intent)
    if (outcome.kind === 'waiting' || outcome.kind === 'open') return payment
    return this.parts.settler.settle(payment, outcome, intent.id)
  }

  private async makeIntent(payment: Payment): Promise<string | null> {
    const { stripe, methods } = this.parts
    const card = invariant(payment.methodId, `card of ${payment.id}`)
    const made = await this.make(payment, 'externalId', async () =>
      stripe.createIntent(await this.chargeOf(payment), await methods.externalIdOf(card)),
    )
    return made?.id ?? null
  }

  private async pageOf(payment: Payment): Promise<CheckoutPage | null> {
    const { db, stripe, returnUrl } = this.parts
    if (payment.checkoutId !== null) return stripe.getCheckout(payment.checkoutId)
    const invoice = invariant(await payments.findInvoice(db, payment.invoiceId), payment.invoiceId)
    const name = `Invoice ${invoice.number}`
    return this.make(payment, 'checkoutId', async () =>
      stripe.createCheckout(await this.chargeOf(payment), name, returnUrl),
    )
  }

  /**
   * Has Stripe make its side of a try, which takes nothing yet, and commits its id.
   * @returns null when the try is given up: Stripe will not make it, or has not for too long
   */
  private async make<T extends { id: string }>(
    payment: Payment,
    column: 'externalId' | 'checkoutId',
    ask: () => Promise<T>,
  ): Promise<T | null> {
    const { db, settler, reached } = this.parts
    try {
      const made = await ask()
      await reached('payment.intended')
      return (await payments.savePending(db, payment.id, { [column]: made.id })) ? made : null
    } catch (error) {
      if (!this.isGivenUp(payment, error)) throw error
      const code = error instanceof ProviderRefused ? error.code : 'provider_unavailable'
      await settler.giveUp(payment, code)
      return null
    }
  }

  private async settlePage(payment: Payment, page: CheckoutPage | null): Promise<Payment> {
    if (page === null) return this.asItIs(payment)
    if (page.intentId !== null) return this.look(payment, page.intentId)
    if (!page.isExpired) return payment
    return this.parts.settler.settle(payment, PAGE_EXPIRED, null)
  }

  private async asItIs({ id }: Payment): Promise<Payment> {
    return invariant(await payments.findPayment(this.parts.db, id), id)
  }

  private async chargeOf({ id, invoiceId, userId, amount, currency }: Payment): Promise<Charge> {
    const customer = await this.parts.methods.customerOf(userId)
    return { paymentId: id, invoiceId, customer, amount, currency }
  }

  private isGivenUp({ createdAt }: Payment, error: unknown): boolean {
    const ageMs = this.parts.clock.now().getTime() - createdAt.getTime()
    const isOld = error instanceof ProviderUnclear && ageMs > UNKNOWN_TO_STRIPE_MS
    return error instanceof ProviderRefused || isOld
  }
}

const PAGE_EXPIRED = { kind: 'failed', code: 'checkout_expired' } as const

/** Also one that was given up or is past due may be paid. */
const isOwed = ({ status, amountDue }: DueInvoice): boolean =>
  status !== 'draft' && status !== 'void' && amountDue > 0n
