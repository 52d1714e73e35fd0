import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { FilePromotion, PROMOTION_CODE } from './promotion-schema'
import { SETTINGS } from './settings-schema'
import { Currency, Defaults, PlanTemplate } from './template-schema'

const PricingFile = z
  .strictObject({
    version: z.literal(1),
    currencies: z.array(Currency).min(1),
    defaults: Defaults,
    planTemplates: z.record(z.string().regex(/^[a-z0-9-]{1,63}$/), PlanTemplate),
    promotions: z.record(z.string().regex(PROMOTION_CODE), FilePromotion).default({}),
    ...SETTINGS,
  })
  .superRefine(({ currencies, defaults, planTemplates, promotions }, context) => {
    const used: [string, PropertyKey[]][] = [
      [defaults.currency, ['defaults', 'currency']],
      ...Object.entries(planTemplates).map(([slug, plan]): [string, PropertyKey[]] => [
        plan.currency ?? defaults.currency,
        ['planTemplates', slug, 'currency'],
      ]),
      ...Object.entries(promotions).flatMap(([code, { currency }]): [string, PropertyKey[]][] =>
        currency === undefined ? [] : [[currency, ['promotions', code, 'currency']]],
      ),
    ]
    for (const [currency, path] of used)
      if (!currencies.includes(currency))
        context.addIssue({ code: 'custom', path, message: `${currency} is not in \`currencies\`` })
  })

export type Pricing = z.infer<typeof PricingFile>
/** What the operator says of money beside prices. */
export type PricingSettings = Pick<Pricing, keyof typeof SETTINGS>

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
