import { FLAT_FEE_TIMINGS, PRORATION_MODES, REFUND_POLICIES } from '#db/schema/pricing'
import { oneOf, strict, t } from '#infra/http'
import { BILLING_CYCLES } from '#lib/period'

const Amount = (description: string) =>
  t.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
const Count = (description: string) =>
  t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description })
const Rate = (description: string) =>
  t.String({ pattern: '^\\d{1,12}(\\.\\d{1,12})?$', description, examples: ['0.05'] })
const nullable = <T extends Parameters<typeof t.Union>[0][number]>(schema: T) =>
  t.Union([schema, t.Null()])

const RateLimit = strict({
  per: oneOf(['key', 'subscription'] as const),
  limit: t.Integer({ minimum: 1, maximum: 1_000_000 }),
  window: oneOf(['second', 'minute', 'hour', 'day'] as const),
})

const Quota = strict({
  limit: Count('Billable units of a cycle.'),
  hard: t.Boolean({ description: 'Hard: calls beyond it are refused. Soft: they cost extra.' }),
  overageRate: t.Optional(
    Rate('a decimal: minor units per unit beyond a soft quota, may be a fraction of a cent'),
  ),
})

const StatusRange = strict({
  from: t.Integer({ minimum: 100, maximum: 599 }),
  to: t.Integer({ minimum: 100, maximum: 599 }),
})

const OperationWeight = strict({
  operation: t.String({
    maxLength: 300,
    description: 'method or * and a path; * stands for one segment, /** for all below',
    examples: ['POST /images/**'],
  }),
  units: t.Integer({ minimum: 0, maximum: 1_000_000 }),
})

const unitRate = Rate('a decimal: minor units per unit, may be a fraction of a cent')
const freeUnits = Amount('Units that cost nothing; they count for no tier and no package.')
const upTo = nullable(Count('Last unit of the tier, counted after the free ones; null: no end.'))
const flatFee = Amount('Minor units, once for reaching the tier.')

const Tier = strict({ upTo: t.Optional(upTo), unitRate, flatFee: t.Optional(flatFee) })
const tiered = { tiers: t.Array(Tier, { minItems: 1, maxItems: 50 }) }
const packages = {
  model: oneOf(['package'] as const),
  packageSize: Count('Units in a package; begun ones are charged whole.'),
  packagePrice: Amount('Minor units per package.'),
}
const Charge = t.Union([
  strict({ model: oneOf(['per_unit'] as const), freeUnits: t.Optional(freeUnits), unitRate }),
  strict({
    ...{ model: oneOf(['graduated', 'volume'] as const), freeUnits: t.Optional(freeUnits) },
    ...tiered,
  }),
  strict({ ...packages, freeUnits: t.Optional(freeUnits) }),
])

const fee = Amount('Minor units per cycle.')
const minimumFee = nullable(Amount('The least that the use of a cycle costs, in minor units.'))
const maximumFee = nullable(Amount('The most that the use of a cycle costs, in minor units.'))
const billableStatuses = t.Array(StatusRange, { minItems: 1, maxItems: 20 })
const trial = {
  days: t.Integer({ minimum: 1, maximum: 365 }),
  units: nullable(Count('Billable units after which the trial ends before its date.')),
  cardRequired: t.Boolean({ description: 'Whether it can begin without a payment method.' }),
}
const rotateKeysAfterDays = nullable(t.Integer({ minimum: 1, maximum: 3650 }))

/** What a plan may say of itself; what it does not say its template or the operator's defaults do. */
export const planTerms = {
  currency: t.Optional(t.String({ pattern: '^[A-Z]{3}$', description: 'an ISO 4217 code' })),
  billingCycle: t.Optional(oneOf(BILLING_CYCLES)),
  flatFee: t.Optional(fee),
  flatFeeTiming: t.Optional(oneOf(FLAT_FEE_TIMINGS)),
  charges: t.Optional(
    t.Array(Charge, { maxItems: 8, description: 'Prices of use, each of all billable units.' }),
  ),
  minimumFee: t.Optional(minimumFee),
  maximumFee: t.Optional(maximumFee),
  trial: t.Optional(
    nullable(
      strict({
        days: trial.days,
        units: t.Optional(trial.units),
        cardRequired: t.Optional(trial.cardRequired),
      }),
    ),
  ),
  rateLimits: t.Optional(t.Array(RateLimit, { maxItems: 8 })),
  quota: t.Optional(nullable(Quota)),
  billableStatuses: t.Optional(billableStatuses),
  operationWeights: t.Optional(
    t.Array(OperationWeight, {
      maxItems: 100,
      description: 'What a billable call counts, by the first that matches; 1 without one.',
    }),
  ),
  prorationMode: t.Optional(oneOf(PRORATION_MODES)),
  refundPolicy: t.Optional(oneOf(REFUND_POLICIES)),
  rotateKeysAfterDays: t.Optional(rotateKeysAfterDays),
}

const FullTier = t.Object({ upTo, unitRate, flatFee })
const FullCharge = t.Union([
  t.Object({ model: oneOf(['per_unit'] as const), freeUnits, unitRate }),
  t.Object({
    ...{ model: oneOf(['graduated', 'volume'] as const), freeUnits },
    tiers: t.Array(FullTier),
  }),
  t.Object({ ...packages, freeUnits }),
])

/** All terms of a plan or a template. */
export const TermsOfPlan = {
  currency: t.String(),
  billingCycle: oneOf(BILLING_CYCLES),
  flatFee: fee,
  flatFeeTiming: oneOf(FLAT_FEE_TIMINGS),
  charges: t.Array(FullCharge),
  minimumFee,
  maximumFee,
  trial: nullable(t.Object(trial)),
  rateLimits: t.Array(RateLimit),
  quota: nullable(Quota),
  billableStatuses,
  operationWeights: t.Array(OperationWeight),
  prorationMode: oneOf(PRORATION_MODES),
  refundPolicy: oneOf(REFUND_POLICIES),
  rotateKeysAfterDays,
}
