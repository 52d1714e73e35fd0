import { PlanInvalid } from './errors'
import { type Mistake, planMistakes } from './plan-rules'
import type { Pricing } from './pricing-file'
import type { PlanInsert } from './repository'
import type { PlanInput } from './schemas'

/** The commercial part of a plan: all of a row except identity and version. */
export type PlanTerms = Omit<PlanInsert, 'id' | 'apiId' | 'version' | 'createdAt' | 'status'>

type Template = Pricing['planTemplates'][string]

/** What a plan is when nobody says anything. */
const PLAIN: Template = {
  ...{ name: '', type: 'free', flatFee: 0, flatFeeTiming: 'advance', charges: [] },
  ...{ minimumFee: null, maximumFee: null, trial: null, rateLimits: [], quota: null },
  ...{ operationWeights: [], rotateKeysAfterDays: null },
}

/** Merges what the provider says over the template over the operator's defaults, and checks it. */
export function toTerms(input: PlanInput, pricing: Pricing): PlanTerms {
  const shape = shapeOf(input, pricing)
  const mistakes = [...ownMistakes(shape, pricing), ...planMistakes(shape)]
  if (mistakes.length > 0)
    throw new PlanInvalid(
      mistakes.map(({ path, message }) => ({ pointer: `/${path.join('/')}`, message })),
    )
  const { quota, trial, flatFee, minimumFee, maximumFee, ...terms } = shape
  return {
    ...{ ...terms, flatFee: BigInt(flatFee) },
    minimumFee: minimumFee === null ? null : BigInt(minimumFee),
    maximumFee: maximumFee === null ? null : BigInt(maximumFee),
    quotaLimit: quota?.limit ?? null,
    quotaHard: quota?.hard ?? true,
    overageRate: quota?.overageRate ?? null,
    trialDays: trial?.days ?? 0,
    trialUnits: trial?.units ?? null,
    trialCardRequired: trial?.cardRequired ?? false,
  }
}

function shapeOf({ template, ...given }: PlanInput, pricing: Pricing) {
  const { defaults } = pricing
  const base = withDefaults(
    template === undefined ? PLAIN : templateOf(template, pricing),
    defaults,
  )
  const { charges, trial, ...said } = given
  return {
    slug: template ?? '',
    ...{ ...base, ...said },
    charges: charges?.map(withAll) ?? base.charges,
    trial: trial ? { ...{ units: null, cardRequired: false }, ...trial } : (trial ?? base.trial),
  }
}

/** A template with all that it leaves to the operator's defaults. */
export const withDefaults = (template: Template, defaults: Pricing['defaults']) => ({
  ...template,
  currency: template.currency ?? defaults.currency,
  billingCycle: template.billingCycle ?? defaults.billingCycle,
  billableStatuses: template.billableStatuses ?? defaults.billableStatuses,
  prorationMode: template.prorationMode ?? defaults.prorationMode,
  refundPolicy: template.refundPolicy ?? defaults.refundPolicy,
})

type ChargeInput = NonNullable<PlanInput['charges']>[number]

/** What a request may leave out. */
function withAll(charge: ChargeInput): PlanInsert['charges'][number] {
  const freeUnits = charge.freeUnits ?? 0
  if (!('tiers' in charge)) return { ...charge, freeUnits }
  const tiers = charge.tiers.map((tier) => ({ ...{ upTo: null, flatFee: 0 }, ...tier }))
  return { ...charge, freeUnits, tiers }
}

function templateOf(name: string, { planTemplates }: Pricing): Template {
  const found = Object.hasOwn(planTemplates, name) ? planTemplates[name] : undefined
  const known = Object.keys(planTemplates).join(', ')
  if (!found)
    throw new PlanInvalid([
      { pointer: '/template', message: `there is no template ${name}, only ${known}` },
    ])
  return found
}

/** What only a plan has, or only an operator knows. */
function ownMistakes(plan: ReturnType<typeof shapeOf>, { currencies }: Pricing): Mistake[] {
  const rules: [boolean, string, string][] = [
    [plan.slug === '', 'slug', 'a plan needs a slug or a template'],
    [plan.name === '', 'name', 'a plan needs a name or a template'],
    [
      !currencies.includes(plan.currency),
      'currency',
      `the operator sells in ${currencies.join(', ')}`,
    ],
    [
      plan.billableStatuses.some(({ from, to }) => from > to),
      'billableStatuses',
      'a range of statuses must not end before it begins',
    ],
  ]
  return rules.filter(([broken]) => broken).map(([, path, message]) => ({ path: [path], message }))
}
