import type { BillingSettings } from '#modules/billing'

/** As pricing.yaml leaves them where it says nothing. */
export const SETTINGS: BillingSettings = {
  seller: { name: 'Veil', address: [] },
  tax: { mode: 'exclusive', rates: [], reverseCharge: true },
  platformFee: { percent: '10' },
  invoice: { graceMinutes: 60, dueDays: 14, numberPrefix: 'VEIL-', reminderDaysBefore: 3 },
}
