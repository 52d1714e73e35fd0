import type { Db } from '#db/client'
import { publish } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { newId } from '#lib/id'
import type { Ledger } from '#modules/ledger'
import type { Dispute } from './disputes.repository'
import * as disputes from './disputes.repository'
import { disputeClosed, paymentDisputed } from './events'
import type { Payment } from './payments.repository'
import * as payments from './payments.repository'
import type { StripeApi, StripeDispute } from './stripe'

/** What customers' banks take back: frozen while it is open, then here again or lost. */
export class Disputes {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly ledger: Ledger,
    private readonly stripe: StripeApi,
  ) {}

  /** Makes ours say what Stripe's says; told in any order and any number of times. */
  async sync(externalId: string): Promise<void> {
    const told = await this.stripe.getDispute(externalId)
    const { intentId, state } = told
    const found = intentId === null ? null : await payments.findByExternalId(this.db, intentId)
    if (!found || state === 'inquiry') return
    await this.db.transaction(async (tx) => {
      await payments.lockInvoice(tx, found.invoiceId)
      const payment = await payments.lockPayment(tx, found.id)
      const known = await disputes.findDispute(tx, externalId)
      const dispute = known ?? (await this.open(tx, payment, told))
      if (state !== 'open' && dispute?.status === 'open')
        await this.close(tx, payment, dispute, state)
    })
  }

  /** Freezes what is left of the payment, up to what the bank has taken; null where nothing is. */
  private async open(tx: Db, payment: Payment, told: StripeDispute): Promise<Dispute | null> {
    const left = payment.amount - payment.amountRefunded - payment.amountDisputed
    const isMore = told.amount > left
    const amount = isMore ? left : told.amount
    if (amount <= 0n) return null
    const { currency, invoiceId, id: paymentId } = payment
    const [id, at] = [newId('dsp', this.clock), this.clock.now()]
    const dispute = await disputes.insertDispute(tx, {
      ...{ id, paymentId, externalId: told.id, status: 'open', amount, currency },
      ...{ reason: told.reason, createdAt: at },
    })
    await disputes.freeze(tx, paymentId, amount)
    await this.book(tx, 'dispute.opened', dispute, 'cash', 'dispute_hold', at)
    const news = { paymentId, invoiceId, disputeId: id, at: at.toISOString() }
    await publish(tx, paymentDisputed, news)
    return dispute
  }

  private async close(tx: Db, payment: Payment, dispute: Dispute, status: 'won' | 'lost') {
    const { id, amount, paymentId } = dispute
    const at = this.clock.now()
    await disputes.closeDispute(tx, id, status, at)
    if (status === 'won') {
      await disputes.freeze(tx, paymentId, -amount)
      await this.book(tx, 'dispute.won', dispute, 'dispute_hold', 'cash', at)
    } else await this.book(tx, 'dispute.lost', dispute, 'dispute_hold', 'bad_debt', at)
    const news = { paymentId, invoiceId: payment.invoiceId, disputeId: id, at: at.toISOString() }
    await publish(tx, disputeClosed, news)
  }

  private async book(
    tx: Db,
    kind: `dispute.${string}`,
    { id: reference, amount, currency }: Dispute,
    from: 'cash' | 'dispute_hold',
    to: 'cash' | 'dispute_hold' | 'bad_debt',
    at: Date,
  ): Promise<void> {
    await this.ledger.post(tx, {
      ...{ kind, reference, at, currency },
      entries: [
        { account: { type: from, ownerId: null }, amount: -amount },
        { account: { type: to, ownerId: null }, amount },
      ],
    })
  }
}
