import type { PricingSettings } from '#modules/pricing'

/** What the operator's pricing.yaml says of invoices. */
export type BillingSettings = Pick<PricingSettings, 'seller' | 'tax' | 'platformFee' | 'invoice'>
