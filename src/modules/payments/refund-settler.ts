import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { newId, parseId } from '#lib/id'
import type { Settlement } from '#modules/billing'
import type { Ledger } from '#modules/ledger'
import { paymentRefunded, refundFailed } from './events'
import type { Payment } from './payments.repository'
import * as payments from './payments.repository'
import type { Refund } from './refunds.repository'
import * as refunds from './refunds.repository'
import type { StripeRefund } from './stripe'

/** Writes down what became of a refund: row, payment, credit note and ledger in one transaction. */
export class RefundSettler {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly settlement: Settlement,
    private readonly ledger: Ledger,
  ) {}

  /** What Stripe says of a refund of ours, or of one that was made in its dashboard. */
  settle({ id: paymentId, invoiceId }: Payment, told: StripeRefund): Promise<Refund> {
    return this.db.transaction(async (tx) => {
      await payments.lockInvoice(tx, invoiceId)
      const payment = await payments.lockPayment(tx, paymentId)
      const refundId = told.refundId === null ? null : parseId('ref', told.refundId)
      const known = await refunds.findRefund(tx, { id: told.id, refundId })
      const refund = known ?? (await this.fromDashboard(tx, payment, told))
      const { status, externalId } = refund
      if (externalId === null) await refunds.changeRefund(tx, refund.id, { externalId: told.id })
      if (told.state === 'waiting' || told.state === status || status === 'failed') return refund
      if (told.state === 'succeeded') return this.succeed(tx, payment, refund)
      return this.fail(tx, payment, refund, told.failureCode ?? 'failed')
    })
  }

  /** The provider will not do it: what was set aside is free again. */
  refuse({ id: paymentId, invoiceId }: Payment, { id }: Refund, code: string): Promise<Refund> {
    return this.db.transaction(async (tx) => {
      await payments.lockInvoice(tx, invoiceId)
      const payment = await payments.lockPayment(tx, paymentId)
      const refund = await refunds.lockRefund(tx, id)
      const isOpen = refund.status === 'pending' && refund.externalId === null
      return isOpen ? this.fail(tx, payment, refund, code) : refund
    })
  }

  /** The money has left; `tx` holds invoice and payment. */
  async succeed(tx: Db, payment: Payment, { id, origin, amount, reason }: Refund): Promise<Refund> {
    const at = this.clock.now()
    const { invoiceId } = payment
    const settled = await refunds.changeRefund(tx, id, { status: 'succeeded', settledAt: at })
    // Credit that is paid out was booked when it was set aside.
    if (origin !== 'credit')
      await this.settlement.recordRefund(tx, { invoiceId, refundId: id, amount, reason, at })
    await publish(tx, paymentRefunded, this.news(payment, id, at))
    return settled
  }

  /** What had left already, or was taken from the customer's credit, is the customer's credit now. */
  private async fail(tx: Db, payment: Payment, refund: Refund, code: string): Promise<Refund> {
    const { id, status, origin, amount, currency } = refund
    const at = this.clock.now()
    await refunds.reserve(tx, payment.id, -amount)
    if (status === 'succeeded' || origin === 'credit')
      await this.ledger.post(tx, {
        ...{ kind: 'refund.returned', reference: id, at, currency },
        entries: [
          { account: { type: 'cash', ownerId: null }, amount },
          { account: { type: 'customer_credit', ownerId: payment.userId }, amount: -amount },
        ],
      })
    await publish(tx, refundFailed, this.news(payment, id, at))
    const change = { status: 'failed' as const, failureCode: code, settledAt: at }
    return refunds.changeRefund(tx, id, change)
  }

  private async fromDashboard(tx: Db, payment: Payment, told: StripeRefund): Promise<Refund> {
    await refunds.reserve(tx, payment.id, told.amount)
    return refunds.insertRefund(tx, {
      ...{ id: newId('ref', this.clock), paymentId: payment.id, origin: 'provider' },
      ...{ externalId: told.id, status: 'pending', amount: told.amount },
      ...{ currency: payment.currency, reason: 'Refund', createdAt: this.clock.now() },
    })
  }

  private news({ id: paymentId, invoiceId }: Payment, refundId: Refund['id'], at: Date) {
    return { paymentId, invoiceId, refundId, at: at.toISOString() }
  }
}
