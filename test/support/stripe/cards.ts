/** What becomes of a charge of a card: null is paid, else the decline code. */
export type Fate =
  | null
  | 'generic_decline'
  | 'insufficient_funds'
  | 'lost_card'
  | 'stolen_card'
  | 'expired_card'
  | 'processing_error'
  | 'authentication_required'

export interface Card {
  brand: string
  last4: string
  /** When the customer is not there. */
  fate: Fate
  /** Whether it can be kept for later at all. */
  attaches: boolean
  /** What becomes of a refund: at once, in a while, or come back. */
  refunds: 'succeeded' | 'pending' | 'failed-later'
}

const card = (last4: string, fate: Fate = null, rest: Partial<Card> = {}): Card => ({
  ...{ brand: 'visa', last4, fate, attaches: true, refunds: 'succeeded', ...rest },
})
const refused = (last4: string, fate: Fate) => card(last4, fate, { attaches: false })

/** Stripe's payment methods for tests, by the names of its documentation. */
export const TEST_CARDS: Record<string, Card> = {
  pm_card_visa: card('4242'),
  pm_card_mastercard: card('4444', null, { brand: 'mastercard' }),
  // Can be kept, and is declined when it is charged.
  pm_card_chargeCustomerFail: card('0341', 'generic_decline'),
  pm_card_authenticationRequired: card('3184', 'authentication_required'),
  // Cannot even be kept.
  pm_card_chargeDeclined: refused('0002', 'generic_decline'),
  pm_card_visa_chargeDeclinedInsufficientFunds: refused('9995', 'insufficient_funds'),
  pm_card_visa_chargeDeclinedLostCard: refused('9987', 'lost_card'),
  pm_card_visa_chargeDeclinedStolenCard: refused('9979', 'stolen_card'),
  pm_card_chargeDeclinedExpiredCard: refused('0069', 'expired_card'),
  pm_card_chargeDeclinedProcessingError: refused('0119', 'processing_error'),
  pm_card_pendingRefund: card('7726', null, { refunds: 'pending' }),
  pm_card_refundFail: card('5126', null, { refunds: 'failed-later' }),
}
