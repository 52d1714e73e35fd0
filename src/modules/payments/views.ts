import type { Payment } from './payments.repository'

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
