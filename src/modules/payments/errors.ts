import { AppError } from '#lib/errors'

export class PaymentMethodUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'payment_method_unknown'
  constructor(id: string) {
    super(`You have no payment method ${id}.`)
  }
}

export class PaymentsManual extends AppError {
  readonly kind = 'conflict'
  readonly code = 'payments_manual'
  constructor() {
    super('This marketplace takes payments by hand: pay as your invoice says.')
  }
}

export class ProviderAway extends AppError {
  readonly kind = 'unavailable'
  readonly code = 'payment_provider_away'
  constructor() {
    super('The payment provider cannot be reached; try again in a moment.', { retryAfter: 5 })
  }
}

export class WebhookUnsigned extends AppError {
  readonly kind = 'malformed'
  readonly code = 'webhook_signature_invalid'
  constructor() {
    super('Stripe-Signature is missing, too old, or not made with our secret over this very body.')
  }
}

export class WebhookMalformed extends AppError {
  readonly kind = 'malformed'
  readonly code = 'webhook_malformed'
  constructor() {
    super('The signature is right, but this is not an event of Stripe.')
  }
}

export class PaymentUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'payment_unknown'
  constructor(id: string) {
    super(`You have no payment ${id}.`)
  }
}

export class InvoiceSettled extends AppError {
  readonly kind = 'conflict'
  readonly code = 'invoice_settled'
  constructor(id: string) {
    super(`Nothing is due for invoice ${id}.`)
  }
}

export class NoPaymentMethod extends AppError {
  readonly kind = 'conflict'
  readonly code = 'no_payment_method'
  constructor() {
    super(
      'You have no card: add one (POST /payments/methods/setup), or pay with "via": "checkout".',
    )
  }
}

export class PaymentPending extends AppError {
  readonly kind = 'conflict'
  readonly code = 'payment_pending'
  constructor(invoiceId: string, paymentId: string) {
    super(`For invoice ${invoiceId} the payment ${paymentId} is under way; wait until it is over.`)
  }
}

export class PaymentDeclined extends AppError {
  readonly kind = 'payment_required'
  readonly code = 'payment_declined'
  constructor(paymentId: string, reason: string) {
    super(
      `The payment ${paymentId} was declined: ${reason.replaceAll('_', ' ')}. ` +
        'Add another card, or pay with POST /payments and "via": "checkout".',
    )
  }
}

export class AmountExceedsDue extends AppError {
  readonly kind = 'conflict'
  readonly code = 'amount_exceeds_due'
  constructor(invoiceId: string, due: bigint) {
    super(`${due} minor units are due for invoice ${invoiceId}, not more.`)
  }
}

export class PaymentReferenceKnown extends AppError {
  readonly kind = 'conflict'
  readonly code = 'payment_reference_known'
  constructor(reference: string) {
    super(`A payment with the reference ${reference} is noted already; nothing was noted twice.`)
  }
}

export class RefundExceedsPayment extends AppError {
  readonly kind = 'conflict'
  readonly code = 'refund_exceeds_payment'
  constructor(paymentId: string, left: bigint) {
    super(`Of the payment ${paymentId} ${left} minor units can be given back, not more.`)
  }
}

export class PaymentNotReceived extends AppError {
  readonly kind = 'conflict'
  readonly code = 'payment_not_received'
  constructor(paymentId: string, status: string) {
    super(`The payment ${paymentId} is ${status}: nothing came in that could be given back.`)
  }
}

export class ConsumptionUnknown extends AppError {
  readonly kind = 'conflict'
  readonly code = 'consumption_unknown'
  constructor(invoiceId: string) {
    super(`Invoice ${invoiceId} has no fee for a period with a quota; state an amount instead.`)
  }
}
