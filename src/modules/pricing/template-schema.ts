import { z } from 'zod'
import { FLAT_FEE_TIMINGS, PLAN_TYPES, PRORATION_MODES, REFUND_POLICIES } from '#db/schema/pricing'
import { BILLING_CYCLES } from '#lib/period'
import { planMistakes } from './plan-rules'

const CURRENCIES = new Set(Intl.supportedValuesOf('currency'))
export const Currency = z
  .string()
  .refine((code) => CURRENCIES.has(code), 'must be an ISO 4217 code such as EUR')
const Rate = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,12})?$/, 'must be a decimal in quotes, such as "0.05"')
const Amount = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const Count = z.int().min(1).max(Number.MAX_SAFE_INTEGER)
const Status = z.int().min(100).max(599)

const RateLimit = z.strictObject({
  per: z.enum(['key', 'subscription']),
  limit: z.int().min(1).max(1_000_000),
  window: z.enum(['second', 'minute', 'hour', 'day']),
})
const Quota = z.strictObject({
  limit: Count,
  hard: z.boolean().default(true),
  overageRate: Rate.optional(),
})
export const StatusRange = z
  .strictObject({ from: Status, to: Status })
  .refine(({ from, to }) => from <= to, { path: ['to'], error: 'must not be below `from`' })

const freeUnits = Amount.default(0)
const Tier = z.strictObject({
  upTo: Count.nullable().default(null),
  unitRate: Rate,
  flatFee: Amount.default(0),
})
const tiers = z.array(Tier).min(1).max(50)
const Charge = z.discriminatedUnion('model', [
  z.strictObject({ model: z.literal('per_unit'), freeUnits, unitRate: Rate }),
  z.strictObject({ model: z.literal('graduated'), freeUnits, tiers }),
  z.strictObject({ model: z.literal('volume'), freeUnits, tiers }),
  z.strictObject({
    ...{ model: z.literal('package'), freeUnits },
    ...{ packageSize: Count, packagePrice: Amount },
  }),
])

/** What a plan gets when neither it nor its template says anything. */
export const Defaults = z.strictObject({
  currency: Currency,
  billingCycle: z.enum(BILLING_CYCLES),
  billableStatuses: z.array(StatusRange).min(1),
  prorationMode: z.enum(PRORATION_MODES).default('time'),
  refundPolicy: z.enum(REFUND_POLICIES).default('none'),
})

/** A starting point for plans, in the same words as a plan over REST. */
export const PlanTemplate = z
  .strictObject({
    name: z.string().min(1).max(100),
    type: z.enum(PLAN_TYPES),
    currency: Currency.optional(),
    billingCycle: z.enum(BILLING_CYCLES).optional(),
    flatFee: Amount.default(0),
    flatFeeTiming: z.enum(FLAT_FEE_TIMINGS).default('advance'),
    charges: z.array(Charge).max(8).default([]),
    minimumFee: Amount.nullable().default(null),
    maximumFee: Amount.nullable().default(null),
    trial: z
      .strictObject({
        days: z.int().min(1).max(365),
        units: Count.nullable().default(null),
        cardRequired: z.boolean().default(false),
      })
      .nullable()
      .default(null),
    rateLimits: z.array(RateLimit).max(8).default([]),
    quota: Quota.nullable().default(null),
    billableStatuses: z.array(StatusRange).min(1).optional(),
    operationWeights: z
      .array(
        z.strictObject({ operation: z.string().max(300), units: z.int().min(0).max(1_000_000) }),
      )
      .max(100)
      .default([]),
    prorationMode: z.enum(PRORATION_MODES).optional(),
    refundPolicy: z.enum(REFUND_POLICIES).optional(),
    rotateKeysAfterDays: z.int().min(1).max(3650).nullable().default(null),
  })
  .superRefine((plan, context) => {
    for (const { path, message } of planMistakes(plan))
      context.addIssue({ code: 'custom', path, message })
  })
