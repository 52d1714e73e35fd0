import type { Payment } from './payments.repository'
import type { Refund } from './refunds.repository'

export function paymentView(payment: Payment) {
  const { id, invoiceId, status, channel, methodId, currency, attempt, failureCode } = payment
  return {
    ...{ id, invoiceId, status, channel, methodId, currency, attempt, failureCode },
    amount: Number(payment.amount),
    amountRefunded: Number(payment.amountRefunded),
    amountDisputed: Number(payment.amountDisputed),
    createdAt: payment.createdAt.toISOString(),
    settledAt: payment.settledAt?.toISOString() ?? null,
  }
}

export function refundView(refund: Refund) {
  const { id, paymentId, status, origin, currency, reason, failureCode } = refund
  return {
    ...{ id, paymentId, status, origin, currency, reason, failureCode },
    amount: Number(refund.amount),
    createdAt: refund.createdAt.toISOString(),
    settledAt: refund.settledAt?.toISOString() ?? null,
  }
}
