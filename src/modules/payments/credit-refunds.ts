import type { Db } from '#db/client'
import { Snooze } from '#infra/queue'
import type { Clock } from '#lib/clock'
import type { AtFailpoint } from '#lib/failpoint'
import { type Id, newId } from '#lib/id'
import type { Ledger } from '#modules/ledger'
import * as credits from './credit-refunds.repository'
import type { Payment } from './payments.repository'
import * as payments from './payments.repository'
import type { Refund } from './refunds.repository'
import * as refunds from './refunds.repository'
import type { RefundService } from './refunds.service'

export interface CreditRefundParts {
  db: Db
  clock: Clock
  ledger: Ledger
  refunds: RefundService
  reached: AtFailpoint
}

/** A payment that is under way is over by then, or waited for again. */
const UNDER_WAY_MS = 60_000

/**
 * The fee of a subscription that was cancelled goes back to the card that paid it. It becomes the customer's
 * credit with the last invoice; from there it is taken, never more than is there: the credit is booked out
 * with the refund's row, before Stripe hears of it, so that no invoice is paid out of it meanwhile.
 */
export class CreditRefunds {
  constructor(private readonly parts: CreditRefundParts) {}

  /**
   * What a final invoice has added to the credit because of a cancellation. Told twice it goes back once.
   * @throws Snooze while a payment of the fee is under way
   */
  async giveBack(invoiceId: Id<'inv'>): Promise<void> {
    for (const credit of await credits.listCancellationCredits(this.parts.db, invoiceId)) {
      const begun = await this.parts.db.transaction((tx) => this.begin(tx, credit))
      if (begun.length > 0) await this.parts.reached('refund.recorded')
      // What stays unclear is taken up by the job `payment-collection`.
      for (const refund of begun)
        if (refund.status === 'pending') await this.parts.refunds.advance(refund)
    }
  }

  /** The rows, what they set aside of the payments, and the ledger; those that were begun before. */
  private async begin(tx: Db, credit: credits.CancellationCredit): Promise<Refund[]> {
    const { invoiceId, adjustmentId } = credit
    await payments.lockInvoice(tx, invoiceId)
    const known = await credits.listRefundsOf(tx, adjustmentId)
    if (known.length > 0) return known
    const paid = await this.lockPayments(tx, credit)
    if (paid.some(({ status }) => status === 'pending')) throw new Snooze(UNDER_WAY_MS)
    let left = await this.available(tx, credit)
    const begun: Refund[] = []
    for (const payment of paid) {
      const amount = least(left, refundable(payment))
      if (amount <= 0n) continue
      left -= amount
      begun.push(await this.record(tx, payment, adjustmentId, amount))
    }
    return begun
  }

  /** The tries to get the fee with a card, newest first; nobody else moves their money meanwhile. */
  private async lockPayments(tx: Db, credit: credits.CancellationCredit): Promise<Payment[]> {
    const found = await credits.listFeePayments(tx, credit)
    for (const id of new Set(found.map(({ invoiceId }) => invoiceId).sort()))
      await payments.lockInvoice(tx, id)
    const locked: Payment[] = []
    for (const { id } of found) locked.push(await payments.lockPayment(tx, id))
    return locked
  }

  /** Of the fee, what the invoice really carried over and is still there. */
  private async available(tx: Db, credit: credits.CancellationCredit): Promise<bigint> {
    const { userId, currency, amount, carried } = credit
    const { ledger } = this.parts
    const balances = await ledger.lockBalances(tx, 'customer_credit', currency, [userId])
    return least(amount, carried, -(balances.get(userId) ?? 0n))
  }

  private async record(tx: Db, payment: Payment, sourceId: Id<'adj'>, amount: bigint) {
    const { id: paymentId, userId, currency } = payment
    const [id, at] = [newId('ref', this.parts.clock), this.parts.clock.now()]
    await refunds.reserve(tx, paymentId, amount)
    await this.parts.ledger.post(tx, {
      ...{ kind: 'credit.refunded', reference: id, at, currency },
      entries: [
        { account: { type: 'cash', ownerId: null }, amount: -amount },
        { account: { type: 'customer_credit', ownerId: userId }, amount },
      ],
    })
    return refunds.insertRefund(tx, {
      ...{ id, paymentId, origin: 'credit', sourceId, status: 'pending', amount, currency },
      ...{ reason: 'Subscription cancelled', createdAt: at },
    })
  }
}

/** What is left of a payment. */
const refundable = ({ status, amount, amountRefunded, amountDisputed }: Payment): bigint =>
  status === 'succeeded' ? amount - amountRefunded - amountDisputed : 0n

/** `Math.min` for bigints. */
function least(first: bigint, ...others: bigint[]): bigint {
  let least = first
  for (const other of others) if (other < least) least = other
  return least
}
