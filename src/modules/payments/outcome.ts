import type { Intent } from './stripe'

/** What became of a payment at the provider. `open`: nothing was taken, and nothing will be by itself. */
export type Outcome =
  | { kind: 'succeeded'; amount: bigint }
  | { kind: 'failed'; code: string }
  | { kind: 'waiting' }
  | { kind: 'open' }

/** The state of Stripe's payment is the truth, whatever we heard before. */
export function outcomeOf({ status, amountReceived, failureCode }: Intent): Outcome {
  switch (status) {
    case 'succeeded':
      return { kind: 'succeeded', amount: amountReceived }
    case 'requires_confirmation':
      return { kind: 'open' }
    case 'requires_payment_method':
      return { kind: 'failed', code: failureCode ?? 'no_method' }
    case 'requires_action':
      // The customer would have to be there, and is not.
      return { kind: 'failed', code: failureCode ?? 'authentication_required' }
    case 'canceled':
      return { kind: 'failed', code: failureCode ?? 'canceled' }
    default:
      return { kind: 'waiting' }
  }
}
