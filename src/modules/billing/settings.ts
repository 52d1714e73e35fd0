/** What the operator's pricing.yaml says of invoices. */
export interface BillingSettings {
  seller: {
    name: string
    address: string[]
    country?: string | undefined
    taxId?: string | undefined
    email?: string | undefined
  }
  tax: {
    mode: 'exclusive' | 'inclusive'
    /** Percent, as decimals in text. */
    rates: { country: string; region?: string | undefined; rate: string }[]
    reverseCharge: boolean
  }
  /** Of what is sold without tax. */
  platformFee: { percent: string }
  invoice: {
    graceMinutes: number
    dueDays: number
    numberPrefix: string
    reminderDaysBefore: number
  }
}

export const DEFAULT_SETTINGS: BillingSettings = {
  seller: { name: 'Veil', address: [] },
  tax: { mode: 'exclusive', rates: [], reverseCharge: true },
  platformFee: { percent: '10' },
  invoice: { graceMinutes: 60, dueDays: 14, numberPrefix: 'VEIL-', reminderDaysBefore: 3 },
}
