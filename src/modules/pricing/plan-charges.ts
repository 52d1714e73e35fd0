import type { ChargeTerms, pricingTiers } from '#db/schema/pricing'
import { invariant } from '#lib/errors'

/** A step of a graduated or volume price, counted after the free units. */
export interface PriceTier {
  /** Last unit of the tier; null = no end. */
  upTo: number | null
  /** Minor units per unit, a decimal. */
  unitRate: string
  /** Minor units, once for reaching the tier. */
  flatFee: number
}

/** A price of usage, as plans and templates write it. */
export type Charge = { freeUnits: number } & (
  | { model: 'per_unit'; unitRate: string }
  | { model: 'graduated' | 'volume'; tiers: PriceTier[] }
  /** `packagePrice` in minor units. */
  | { model: 'package'; packageSize: number; packagePrice: number }
)

/** A row of `pricing_tiers` without whose it is; rows are in the order of charge and position. */
export type TierOfCharge = PriceTier & { charge: number }
type TierInsert = Omit<typeof pricingTiers.$inferInsert, 'pricingModelId'>

/** A charge as a plan's row and its tiers' rows hold it. */
export function toRows(charges: readonly Charge[]): { terms: ChargeTerms[]; tiers: TierInsert[] } {
  return {
    terms: charges.map(({ model, freeUnits, ...rest }) => ({
      ...{ model, freeUnits },
      packageSize: 'packageSize' in rest ? rest.packageSize : null,
    })),
    tiers: charges.flatMap((of, charge) =>
      tiersOf(of).map((tier, position) => ({ ...tier, charge, position })),
    ),
  }
}

function tiersOf(charge: Charge): PriceTier[] {
  switch (charge.model) {
    case 'per_unit':
      return [{ upTo: null, unitRate: charge.unitRate, flatFee: 0 }]
    case 'package':
      return [{ upTo: null, unitRate: '0', flatFee: charge.packagePrice }]
    default:
      return charge.tiers
  }
}

export function fromRows(terms: readonly ChargeTerms[], rows: readonly TierOfCharge[]): Charge[] {
  return terms.map(({ model, freeUnits, packageSize }, charge) => {
    const tiers = rows
      .filter((row) => row.charge === charge)
      .map(({ upTo, unitRate, flatFee }) => ({
        ...{ upTo, flatFee, unitRate: withoutTrailingZeros(unitRate) },
      }))
    const [first] = tiers
    const { unitRate, flatFee } = invariant(first, 'every charge has a tier')
    switch (model) {
      case 'per_unit':
        return { model, freeUnits, unitRate }
      case 'package':
        return { model, freeUnits, packageSize: packageSize ?? 1, packagePrice: flatFee }
      default:
        return { model, freeUnits, tiers }
    }
  })
}

/** numeric(30,12) comes back with its zeros, 0.050000000000; the zeros of 100 must stay. */
export const withoutTrailingZeros = (decimal: string): string =>
  decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal
