import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import type { Clock } from '#lib/clock'
import type { Settlement } from '#modules/billing'
import { paymentFailed, paymentSucceeded } from './events'
import type { Outcome } from './outcome'
import type { Payment } from './payments.repository'
import * as payments from './payments.repository'

export type Settled = Exclude<Outcome, { kind: 'waiting' } | { kind: 'open' }>

/** Writes down what became of a payment: the record, the invoice and the ledger in one transaction. */
export class PaymentSettler {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly settlement: Settlement,
  ) {}

  /**
   * Told twice it changes nothing. Money that came in counts even where we took the payment for failed:
   * what is more than due becomes the customer's credit.
   */
  settle(
    { id, invoiceId }: Payment,
    outcome: Settled,
    externalId: string | null,
  ): Promise<Payment> {
    return this.db.transaction(async (tx) => {
      await payments.lockInvoice(tx, invoiceId)
      const payment = await payments.lockPayment(tx, id)
      const isKnown = payment.status === 'succeeded' || payment.status === outcome.kind
      if (isKnown) return payment
      const found = externalId === null ? {} : { externalId }
      return outcome.kind === 'succeeded'
        ? this.succeed(tx, payment, outcome.amount, found)
        : this.fail(tx, payment, outcome.code, found)
    })
  }

  /** Ends a try that the provider never made; one that it did make is left alone. */
  async giveUp({ id, invoiceId }: Payment, code: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      await payments.lockInvoice(tx, invoiceId)
      const payment = await payments.lockPayment(tx, id)
      const isMade = payment.externalId !== null || payment.checkoutId !== null
      if (payment.status === 'pending' && !isMade) await this.fail(tx, payment, code, {})
    })
  }

  private async succeed(tx: Db, payment: Payment, received: bigint, found: object) {
    const { id, invoiceId, amount, currency } = payment
    if (received !== amount)
      throw new Error(`${id} is ${amount} ${currency}, and the provider took ${received}`)
    const at = this.clock.now()
    const change = { ...found, status: 'succeeded' as const, failureCode: null, settledAt: at }
    const settled = await payments.changePayment(tx, id, change)
    const receipt = { invoiceId, paymentId: id, amount, currency, at }
    await this.settlement.recordPayment(tx, receipt)
    await publish(tx, paymentSucceeded, { paymentId: id, invoiceId, at: at.toISOString() })
    return settled
  }

  private async fail(tx: Db, { id, invoiceId }: Payment, failureCode: string, found: object) {
    const at = this.clock.now()
    const change = { ...found, status: 'failed' as const, failureCode, settledAt: at }
    const settled = await payments.changePayment(tx, id, change)
    await publish(tx, paymentFailed, { paymentId: id, invoiceId, at: at.toISOString() })
    return settled
  }
}
