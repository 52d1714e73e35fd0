export interface StripeErrorBody {
  type: 'invalid_request_error' | 'card_error' | 'idempotency_error' | 'api_error'
  message: string
  code?: string
  decline_code?: string
  param?: string
  payment_intent?: unknown
  setup_intent?: unknown
}

/** An answer that is an error of Stripe's. */
export class StripeRefusal extends Error {
  constructor(
    readonly status: number,
    readonly body: StripeErrorBody,
  ) {
    super(body.message)
  }
}

export const noSuch = (what: string, id: string) =>
  new StripeRefusal(404, {
    ...{ type: 'invalid_request_error', code: 'resource_missing', param: 'id' },
    message: `No such ${what}: '${id}'`,
  })

export const invalid = (message: string, code?: string) =>
  new StripeRefusal(400, { type: 'invalid_request_error', message, ...(code && { code }) })

export const declined = (declineCode: string, more: Partial<StripeErrorBody> = {}) => {
  const code =
    { expired_card: 'expired_card', processing_error: 'processing_error' }[declineCode] ??
    (declineCode === 'authentication_required' ? 'authentication_required' : 'card_declined')
  const message = 'Your card was declined.'
  return { type: 'card_error' as const, code, decline_code: declineCode, message, ...more }
}
