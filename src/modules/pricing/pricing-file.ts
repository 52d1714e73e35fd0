import { readFileSync } from 'node:fs'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { BILLING_CYCLES } from '#lib/period'

const Currency = z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as EUR')
const Rate = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,12})?$/, 'must be a decimal in quotes, such as "0.05"')
const Status = z.int().min(100).max(599)

const RateLimit = z.strictObject({
  per: z.enum(['key', 'subscription']),
  limit: z.int().min(1).max(1_000_000),
  window: z.enum(['second', 'minute', 'hour', 'day']),
})
const Quota = z
  .strictObject({
    limit: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
    hard: z.boolean().default(true),
    overageRate: Rate.optional(),
  })
  .refine(({ hard, overageRate }) => !hard || overageRate === undefined, {
    path: ['overageRate'],
    error: 'makes no sense with a hard quota, beyond which no call passes',
  })
const StatusRange = z
  .strictObject({ from: Status, to: Status })
  .refine(({ from, to }) => from <= to, { path: ['to'], error: 'must not be below `from`' })

const PlanTemplate = z
  .strictObject({
    name: z.string().min(1).max(100),
    type: z.enum(['free', 'flat']),
    currency: Currency.optional(),
    billingCycle: z.enum(BILLING_CYCLES).optional(),
    flatFee: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
    rateLimits: z.array(RateLimit).max(8).default([]),
    quota: Quota.nullable().default(null),
    billableStatuses: z.array(StatusRange).min(1).optional(),
  })
  .refine(({ type, flatFee }) => (type === 'free') === (flatFee === 0), {
    path: ['flatFee'],
    error: 'a flat plan needs a fee above 0, a free plan has none',
  })
  .refine(({ type, quota }) => type !== 'free' || quota?.overageRate === undefined, {
    path: ['quota', 'overageRate'],
    error: 'a free plan charges nothing, so it has no overage rate',
  })

const PricingFile = z
  .strictObject({
    version: z.literal(1),
    currencies: z.array(Currency).min(1),
    defaults: z.strictObject({
      currency: Currency,
      billingCycle: z.enum(BILLING_CYCLES),
      billableStatuses: z.array(StatusRange).min(1),
    }),
    planTemplates: z.record(z.string().regex(/^[a-z0-9-]{1,63}$/), PlanTemplate),
  })
  .superRefine(({ currencies, defaults, planTemplates }, context) => {
    const used: [string, PropertyKey[]][] = [
      [defaults.currency, ['defaults', 'currency']],
      ...Object.entries(planTemplates).map(([slug, plan]): [string, PropertyKey[]] => [
        plan.currency ?? defaults.currency,
        ['planTemplates', slug, 'currency'],
      ]),
    ]
    for (const [currency, path] of used)
      if (!currencies.includes(currency))
        context.addIssue({ code: 'custom', path, message: `${currency} is not in \`currencies\`` })
  })

export type Pricing = z.infer<typeof PricingFile>
export type PlanTemplate = Pricing['planTemplates'][string]

/** What is wrong with pricing.yaml: every mistake with its line and path. */
export class PricingFileError extends Error {
  constructor(
    readonly file: string,
    readonly mistakes: string[],
  ) {
    super(`${file} is wrong:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`)
    this.name = 'PricingFileError'
  }
}

/** Checks the text of a pricing file. Throws a {@link PricingFileError}. */
export function parsePricing(text: string, file: string): Pricing {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  if (document.errors.length > 0)
    throw new PricingFileError(
      file,
      document.errors.map((error) => `line ${error.linePos?.[0].line ?? '?'}: ${error.message}`),
    )
  const parsed = PricingFile.safeParse(contentOf(document, file))
  if (parsed.success) return parsed.data
  const lineOf = (path: PropertyKey[]): number | string => {
    // A missing value has no line of its own: the nearest thing around it does.
    for (let length = path.length; length >= 0; length--) {
      const node = document.getIn(path.slice(0, length), true)
      if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
    }
    return 1
  }
  throw new PricingFileError(
    file,
    parsed.error.issues
      .flatMap(oneByOne)
      .map(({ path, message }) => `line ${lineOf(path)}: ${path.join('.') || 'file'}: ${message}`),
  )
}

/** An alias without an anchor, or a bomb of aliases, is noticed only here. */
function contentOf(document: Document, file: string): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw new PricingFileError(file, [(error as Error).message])
  }
}

/** Zod reports unknown keys at the map around them; each has a place of its own. */
function oneByOne(issue: z.core.$ZodIssue): { path: PropertyKey[]; message: string }[] {
  if (issue.code !== 'unrecognized_keys') return [issue]
  return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'there is no such key' }))
}

export function readPricingFile(file: string): Pricing {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new PricingFileError(file, [`cannot be read: ${(error as Error).message}`])
  }
  return parsePricing(text, file)
}
