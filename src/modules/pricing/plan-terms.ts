import { PlanInvalid } from './errors'
import type { PlanTemplate, Pricing } from './pricing-file'
import type { PlanInsert } from './repository'
import type { PlanInput } from './schemas'

/** The commercial part of a plan: all of a row except identity and version. */
export type PlanTerms = Omit<PlanInsert, 'id' | 'apiId' | 'version' | 'createdAt' | 'status'>

/** Merges what the provider says over the template over the operator's defaults, and checks it. */
export function toTerms(input: PlanInput, pricing: Pricing): PlanTerms {
  const template = templateOf(input, pricing)
  const { defaults } = pricing
  const quota = input.quota === undefined ? (template?.quota ?? null) : input.quota
  const terms = {
    slug: input.slug ?? input.template ?? '',
    name: input.name ?? template?.name ?? '',
    type: input.type ?? template?.type ?? 'free',
    currency: input.currency ?? template?.currency ?? defaults.currency,
    billingCycle: input.billingCycle ?? template?.billingCycle ?? defaults.billingCycle,
    flatFee: BigInt(input.flatFee ?? template?.flatFee ?? 0),
    charges: [],
    rateLimits: input.rateLimits ?? template?.rateLimits ?? [],
    quotaLimit: quota?.limit ?? null,
    quotaHard: quota?.hard ?? true,
    overageRate: quota?.overageRate ?? null,
    billableStatuses:
      input.billableStatuses ?? template?.billableStatuses ?? defaults.billableStatuses,
  } satisfies PlanTerms
  const mistakes = mistakesOf(terms, pricing)
  if (mistakes.length > 0) throw new PlanInvalid(mistakes)
  return terms
}

function templateOf({ template }: PlanInput, pricing: Pricing): PlanTemplate | undefined {
  if (template === undefined) return undefined
  const found = Object.hasOwn(pricing.planTemplates, template)
    ? pricing.planTemplates[template]
    : undefined
  const known = Object.keys(pricing.planTemplates).join(', ')
  if (!found)
    throw new PlanInvalid([
      { pointer: '/template', message: `there is no template ${template}, only ${known}` },
    ])
  return found
}

function mistakesOf(terms: PlanTerms, pricing: Pricing): { pointer: string; message: string }[] {
  const fee = terms.flatFee ?? 0n
  const rules: [boolean, string, string][] = [
    [terms.slug === '', '/slug', 'a plan needs a slug or a template'],
    [terms.name === '', '/name', 'a plan needs a name or a template'],
    [terms.type === 'flat' && fee === 0n, '/flatFee', 'a flat plan needs a fee above 0'],
    [terms.type === 'free' && fee > 0n, '/flatFee', 'a free plan has no fee'],
    [
      !pricing.currencies.includes(terms.currency),
      '/currency',
      `the operator sells in ${pricing.currencies.join(', ')}`,
    ],
    [
      terms.type === 'free' && Boolean(terms.overageRate),
      '/quota/overageRate',
      'a free plan charges nothing, so it has no overage rate',
    ],
    [
      Boolean(terms.quotaHard && terms.overageRate),
      '/quota/overageRate',
      'no call passes beyond a hard quota, so it has no overage rate',
    ],
    [
      terms.billableStatuses.some(({ from, to }) => from > to),
      '/billableStatuses',
      'a range of statuses must not end before it begins',
    ],
  ]
  return rules.filter(([broken]) => broken).map(([, pointer, message]) => ({ pointer, message }))
}
