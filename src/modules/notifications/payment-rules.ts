import {
  disputeClosed,
  failureKind,
  paymentDisputed,
  paymentDriftFound,
  paymentFailed,
  paymentRefunded,
  paymentSucceeded,
  refundFailed,
} from '#modules/payments'
import { admins } from './audience.repository'
import { newsOfDispute, newsOfPayment, newsOfRefund } from './payment-audience.repository'
import { rule } from './rule'

/** Why a payment failed, for the person whose card it is; the provider's codes say more than is helpful. */
const REASONS: Record<string, string> = {
  insufficient_funds: 'there was not enough money on the card',
  expired_card: 'the card has expired',
  lost_card: 'the card cannot be used any more',
  stolen_card: 'the card cannot be used any more',
  authentication_required: 'your bank wants you to confirm the payment',
  provider_unavailable: 'the payment provider could not be reached',
  amount_too_small: 'the payment provider does not take so small an amount',
}

/** What is to be done about a payment that failed, by whether the same card is tried again. */
function wayOut(code: string | null, invoiceId: string): string {
  const page = `ask for a payment page: POST /payments {"invoiceId": "${invoiceId}", "via": "checkout"}`
  const card = 'Another card (POST /payments/methods/setup) is tried within the hour.'
  switch (failureKind(code)) {
    case 'too_small':
      return 'You need not do anything now.'
    case 'confirm':
      return `It cannot be charged while you are away. To confirm the payment, ${page}. ${card}`
    case 'final':
      return `This card is not tried again. ${card} To pay without waiting, ${page}.`
    default:
      return `The card is tried again in the days to come. ${card} To pay without waiting, ${page}.`
  }
}

const DRIFT: Record<string, string> = {
  payment_unknown: 'Stripe has received a payment that is not in the books',
  payment_differs: 'a payment came in at Stripe, and not in the books',
  payment_missing: 'a payment came in by the books, and not at Stripe',
  refund_differs: 'a refund is another one at Stripe than in the books',
  refund_missing: 'a refund was made by the books, and not at Stripe',
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
              wayOut(payment.failureCode, invoice.id),
            ],
          },
  }),
  rule(paymentRefunded, (db, { refundId }) => newsOfRefund(db, refundId), {
    to: 'consumers',
    mail: ({ refund, invoice }) => ({
      subject: `${refund.amountText} are on their way back to you`,
      text: [
        `${refund.amountText} of what you paid for invoice ${invoice.number} go back to where they came from: ${refund.reason}. Banks take five to ten days.`,
      ],
    }),
  }),
  rule(
    refundFailed,
    (db, { refundId }) => newsOfRefund(db, refundId),
    {
      to: 'consumers',
      mail: ({ refund, invoice }) => ({
        subject: `A refund for invoice ${invoice.number} did not arrive`,
        text: [
          `${refund.amountText} could not be given back. GET /payments/credits tells what we owe you: your next invoices are paid out of it.`,
        ],
      }),
    },
    {
      to: 'admins',
      mail: ({ refund, payment }) => ({
        subject: `The refund ${refund.id} failed`,
        text: [
          `${refund.amountText} of ${payment.id} could not be given back (${refund.failureCode}).`,
        ],
      }),
    },
  ),
  rule(paymentDriftFound, async (db, facts) => ({ facts, admins: await admins(db) }), {
    to: 'admins',
    mail: ({ kind, externalId }) => ({
      subject: `The books and Stripe differ: ${externalId}`,
      text: [
        `${DRIFT[kind]} (${externalId}). It does not heal by itself: look it up in the provider's dashboard.`,
      ],
    }),
  }),
  rule(paymentDisputed, (db, { disputeId }) => newsOfDispute(db, disputeId), {
    to: 'admins',
    mail: ({ dispute, payment, invoice }) => ({
      subject: `${dispute.amountText} are disputed`,
      text: [
        `The customer's bank has taken ${dispute.amountText} of ${payment.id} (invoice ${invoice.number}) back: ${dispute.reason}. Answer it in the provider's dashboard; the amount is frozen meanwhile.`,
      ],
    }),
  }),
  rule(disputeClosed, (db, { disputeId }) => newsOfDispute(db, disputeId), {
    to: 'admins',
    mail: ({ dispute, payment }) => ({
      subject: `The dispute about ${payment.id} is ${dispute.status}`,
      text: [
        dispute.status === 'won'
          ? `${dispute.amountText} are here again.`
          : `${dispute.amountText} are lost and were written off.`,
      ],
    }),
  }),
]
