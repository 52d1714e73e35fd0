import { z } from 'zod'

const Country = z.string().regex(/^[A-Z]{2}$/, 'must be a country of ISO 3166 such as DE')
const Percent = z
  .string()
  .regex(/^(100|\d{1,2}(\.\d{1,4})?)$/, 'must be a percentage in quotes, such as "19"')
const Days = z.int().min(0).max(3650)

/** Who sells: the operator, as its invoices name it. */
const Seller = z.strictObject({
  name: z.string().min(1).max(200).default('Veil'),
  address: z.array(z.string().min(1).max(200)).max(10).default([]),
  country: Country.optional(),
  taxId: z.string().min(1).max(50).optional(),
  email: z.email('must be an e-mail address').optional(),
})

const Tax = z
  .strictObject({
    mode: z.enum(['exclusive', 'inclusive']).default('exclusive'),
    rates: z
      .array(
        z.strictObject({ country: Country, region: z.string().min(1).optional(), rate: Percent }),
      )
      .default([]),
    reverseCharge: z.boolean().default(true),
  })
  .superRefine(({ rates }, context) => {
    rates.forEach(({ country, region }, index) => {
      const first = rates.findIndex((other) => other.country === country && other.region === region)
      if (first < index)
        context.addIssue({
          ...{ code: 'custom', path: ['rates', index] },
          message: `${[country, region].filter(Boolean).join(' ')} has a rate already`,
        })
    })
  })

const Dunning = z
  .strictObject({
    retryDays: z
      .array(Days)
      .max(20)
      .refine((days) => days.every((day, index) => index === 0 || day > (days[index - 1] ?? 0)), {
        error: 'must rise from each to the next',
      })
      .default([0, 2, 7, 14, 21]),
    /** What is left of rate limits from which day on. */
    rateLimitPercentAfterDays: z
      .record(z.string().regex(/^\d{1,4}$/, 'must be a number of days'), z.int().min(1).max(100))
      .default({ 7: 50 }),
    suspendAfterDays: Days.default(14),
    cancelAfterDays: Days.default(30),
  })
  .refine(({ suspendAfterDays, cancelAfterDays }) => suspendAfterDays <= cancelAfterDays, {
    path: ['cancelAfterDays'],
    error: 'must not come before `suspendAfterDays`',
  })

const PlatformFee = z.strictObject({ percent: Percent.default('10') })

const Invoice = z.strictObject({
  graceMinutes: z.int().min(0).max(10_080).default(60),
  dueDays: Days.default(14),
  numberPrefix: z
    .string()
    .regex(/^[A-Z0-9/-]{0,20}$/, 'must be capitals, digits, hyphens and slashes')
    .default('VEIL-'),
  reminderDaysBefore: Days.default(3),
})

/** What the operator says of money beside prices; each section and each value may be left out. */
export const SETTINGS = {
  seller: Seller.prefault({}),
  tax: Tax.prefault({}),
  dunning: Dunning.prefault({}),
  platformFee: PlatformFee.prefault({}),
  invoice: Invoice.prefault({}),
}
