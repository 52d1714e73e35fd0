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
