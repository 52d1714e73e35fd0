import { z } from 'zod'
import { PROMOTION_TYPES } from '#db/schema/promotions'
import { promotionMistakes } from './promotion-rules'
import { Currency } from './template-schema'

const Day = z.union([z.iso.date(), z.iso.datetime()], 'must be a date such as 2030-01-31')
const Slug = z.string().regex(/^[a-z0-9-]{1,63}$/, 'must be a slug')
const Uses = z.int().min(1).max(2_000_000_000)

export const PROMOTION_CODE = /^[A-Z0-9][A-Z0-9_-]{1,39}$/

/** A promotion of the file, in the same words as over REST; its code is its key. */
export const FilePromotion = z
  .strictObject({
    type: z.enum(PROMOTION_TYPES),
    value: z
      .string()
      .regex(/^\d{1,12}(\.\d{1,4})?$/, 'must be a decimal in quotes, such as "20"')
      .optional(),
    description: z.string().min(1).max(200).optional(),
    currency: Currency.optional(),
    cycles: z.int().min(1).max(1_000).optional(),
    api: Slug.optional(),
    plan: Slug.optional(),
    upgradeTo: Slug.optional(),
    firstPurchase: z.boolean().optional(),
    minimumFee: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
    maxUses: Uses.optional(),
    maxUsesPerUser: Uses.optional(),
    stackable: z.boolean().optional(),
    priority: z.int().min(-1_000).max(1_000).optional(),
    startsAt: Day.optional(),
    endsAt: Day.optional(),
  })
  .superRefine((promotion, context) => {
    for (const { path, message } of promotionMistakes(promotion))
      context.addIssue({ code: 'custom', path, message })
  })
