import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Logger } from '#infra/logger'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import type { AtFailpoint } from '#lib/failpoint'
import { newId } from '#lib/id'
import { prorate } from '#lib/money'
import { attempted } from './attempted'
import { ConsumptionUnknown, PaymentNotReceived, RefundExceedsPayment } from './errors'
import type { Payment } from './payments.repository'
import * as payments from './payments.repository'
import type { PaymentService } from './payments.service'
import { ProviderRefused, ProviderUnclear } from './provider-trouble'
import type { RefundSettler } from './refund-settler'
import type { Refund } from './refunds.repository'
import * as refunds from './refunds.repository'
import type { RefundInput } from './schemas'
import type { StripeApi } from './stripe'
import { refundView } from './views'

export interface RefundParts {
  db: Db
  clock: Clock
  logger: Logger
  stripe: StripeApi | null
  settler: RefundSettler
  payments: PaymentService
  reached: AtFailpoint
}

const AT_ONCE = 200

/**
 * Gives money back. The row and what it sets aside of the payment come first; then Stripe hears of it, under
 * the row's id; then it is written down. What is unclear is found by looking at Stripe's list of refunds.
 */
export class RefundService {
  constructor(private readonly parts: RefundParts) {}

  async list(actor: Actor, paymentId: string) {
    const payment = await this.parts.payments.readable(actor, paymentId)
    return { items: (await refunds.listRefunds(this.parts.db, payment.id)).map(refundView) }
  }

  /** @throws PaymentNotReceived, RefundExceedsPayment, ConsumptionUnknown */
  async refund(actor: Actor, paymentId: string, input: RefundInput) {
    const { db, payments: readers } = this.parts
    const { id } = await readers.readable(actor, paymentId)
    const begun = await this.begin(actor, id, input)
    await this.parts.reached('refund.recorded')
    const payment = invariant(await payments.findPayment(db, id), id)
    return refundView((await this.send(payment, begun).catch(unlessUnclear)) ?? begun)
  }

  /** Makes our list of a payment's refunds say what Stripe's says, those of its dashboard included. */
  async sync(payment: Payment): Promise<void> {
    if (payment.externalId === null || payment.provider !== 'stripe') return
    const told = await invariant(this.parts.stripe, 'Stripe').listRefunds(payment.externalId)
    for (const refund of told.toReversed()) await this.parts.settler.settle(payment, refund)
  }

  /** Takes up refunds that were left under way. */
  async resume(before: Date) {
    const { db, logger } = this.parts
    const counts = { refunded: 0, refundsWaiting: 0, refundsBroken: 0 }
    for (const refund of await refunds.listPendingRefunds(db, before, AT_ONCE)) {
      const now = await attempted(logger, refund.id, () => this.advance(refund))
      if (now === 'broken') counts.refundsBroken++
      else if (now === null || now === 'unclear' || now.status === 'pending')
        counts.refundsWaiting++
      else counts.refunded++
    }
    return counts
  }

  /** Goes on with a refund from wherever it was left; null when Stripe's answer is unclear. */
  async advance(refund: Refund): Promise<Refund | null> {
    const { paymentId } = refund
    const payment = invariant(await payments.findPayment(this.parts.db, paymentId), paymentId)
    return this.look(payment, refund).catch(unlessUnclear)
  }

  /** Row and reservation in one transaction: of many at once no more pass than there is. */
  private begin(actor: Actor, paymentId: Payment['id'], input: RefundInput): Promise<Refund> {
    const { db, clock, settler } = this.parts
    return db.transaction(async (tx) => {
      const found = invariant(await payments.findPayment(tx, paymentId), paymentId)
      await payments.lockInvoice(tx, found.invoiceId)
      const payment = await payments.lockPayment(tx, paymentId)
      const amount = await this.amountOf(tx, payment, input)
      await refunds.reserve(tx, paymentId, amount)
      const at = clock.now()
      const refund = await refunds.insertRefund(tx, {
        ...{ id: newId('ref', clock), paymentId, origin: 'admin', status: 'pending', amount },
        ...{ currency: payment.currency, reason: input.reason, createdAt: at },
        requestedBy: actor.userId,
      })
      await recordAudit(tx, {
        ...{ actorId: actor.userId, action: 'payment.refunded', subjectId: paymentId, at },
        details: { refundId: refund.id, amount: Number(amount), currency: payment.currency },
      })
      // What was paid by hand is given back by hand.
      return payment.provider === 'manual' ? settler.succeed(tx, payment, refund) : refund
    })
  }

  private async amountOf(tx: Db, payment: Payment, { amount, by }: RefundInput): Promise<bigint> {
    const { id, status, invoiceId } = payment
    if (status !== 'succeeded') throw new PaymentNotReceived(id, status)
    const left = payment.amount - payment.amountRefunded - payment.amountDisputed
    const wanted =
      by === 'consumption'
        ? await this.unusedOf(tx, payment)
        : amount === undefined
          ? left
          : BigInt(amount)
    if (wanted <= 0n || wanted > left) throw new RefundExceedsPayment(id, left)
    return invariant(wanted, invoiceId)
  }

  private async unusedOf(tx: Db, { invoiceId, amount }: Payment): Promise<bigint> {
    const used = await refunds.consumptionOf(tx, invoiceId)
    if (used === null) throw new ConsumptionUnknown(invoiceId)
    const { units, limit } = used
    return prorate(amount, { part: units < limit ? limit - units : 0n, whole: limit })
  }

  /** Looks whether Stripe has it; asks again only where it has not. */
  private async look(payment: Payment, refund: Refund): Promise<Refund> {
    await this.sync(payment)
    const now = await this.parts.db.transaction((tx) => refunds.lockRefund(tx, refund.id))
    return now.status === 'pending' && now.externalId === null ? this.send(payment, now) : now
  }

  private async send(payment: Payment, refund: Refund): Promise<Refund> {
    if (refund.status !== 'pending') return refund
    const { stripe, settler, reached } = this.parts
    const intentId = invariant(payment.externalId, `intent of ${payment.id}`)
    try {
      const api = invariant(stripe, 'Stripe')
      const told = await api.createRefund(refund.id, intentId, refund.amount)
      await reached('refund.sent')
      const settled = await settler.settle(payment, told)
      await reached('refund.settled')
      return settled
    } catch (error) {
      if (!(error instanceof ProviderRefused)) throw error
      return settler.refuse(payment, refund, error.code)
    }
  }
}

function unlessUnclear(error: unknown): null {
  if (error instanceof ProviderUnclear) return null
  throw error
}
