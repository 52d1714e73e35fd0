import { paymentFailed, paymentSucceeded } from '#modules/payments'
import { newsOfPayment } from './payment-audience.repository'
import { rule } from './rule'

/** Why a payment failed, for the person whose card it is; the provider's codes say more than is helpful. */
const REASONS: Record<string, string> = {
  insufficient_funds: 'there was not enough money on the card',
  expired_card: 'the card has expired',
  lost_card: 'the card cannot be used any more',
  stolen_card: 'the card cannot be used any more',
  authentication_required: 'your bank wants you to confirm the payment',
  provider_unavailable: 'the payment provider could not be reached',
}

/** Who is told what of payments. */
export const PAYMENT_RULES = [
  rule(paymentSucceeded, (db, { paymentId }) => newsOfPayment(db, paymentId), {
    to: 'consumers',
    mail: ({ payment, invoice }) => ({
      subject: `Payment of ${payment.amountText} received`,
      text: [
        `Thank you: ${payment.amountText} for invoice ${invoice.number} have arrived (${payment.id}).`,
      ],
    }),
  }),
  rule(paymentFailed, (db, { paymentId }) => newsOfPayment(db, paymentId), {
    to: 'consumers',
    // A page that was left is no news to the one who left it.
    mail: ({ payment, invoice }) =>
      payment.channel === 'checkout'
        ? null
        : {
            subject: `Payment of invoice ${invoice.number} failed`,
            text: [
              `${payment.amountText} for invoice ${invoice.number} could not be charged: ${REASONS[payment.failureCode ?? ''] ?? 'the bank declined it'}.`,
              `To pay it yourself, ask for a payment page: POST /payments {"invoiceId": "${invoice.id}", "via": "checkout"}. Another card (POST /payments/methods/setup) is charged from then on.`,
            ],
          },
  }),
]
