import type { InvoiceLine, TaxLine } from '#db/schema/billing'
import { type Decimal, divideRounded, parseDecimal } from '#lib/decimal'
import { invariant } from '#lib/errors'
import { allocate } from '#lib/money'
import type { BillingSettings } from './settings'
import { isVatIdOf, sellsWithinEu } from './vat-id'

/** What is known of a customer that tax depends on. */
export interface TaxCustomer {
  country: string | null
  region: string | null
  taxId: string | null
  /** False where VIES said that there is no such id. */
  taxIdConfirmed: boolean | null
  taxExempt: boolean
}

/** Which tax an invoice bears; null where none is charged in that country. */
export type TaxRule = Pick<TaxLine, 'rate' | 'country' | 'reason'> | null

/** Where the rules come from: the table of pricing.yaml, or a service on the network in its place. */
export interface TaxRules {
  /** One rule for each customer, in their order. No transaction is open meanwhile. */
  rulesFor(customers: readonly TaxCustomer[]): Promise<TaxRule[]>
}

/** The operator's own table. */
export class TaxTable implements TaxRules {
  constructor(private readonly settings: () => BillingSettings) {}

  async rulesFor(customers: readonly TaxCustomer[]): Promise<TaxRule[]> {
    const settings = this.settings()
    return customers.map((customer) => ruleFor(customer, settings))
  }
}

/**
 * Of a customer whose country is not known we know no better than that of the seller. Reverse charge:
 * Directive 2006/112/EC, Art. 44 and 196.
 */
export function ruleFor(customer: TaxCustomer, { seller, tax }: BillingSettings): TaxRule {
  const country = customer.country ?? seller.country ?? null
  if (country === null) return null
  if (customer.taxExempt) return { rate: '0', country, reason: 'exempt' }
  const isBusiness =
    customer.taxId !== null &&
    customer.taxIdConfirmed !== false &&
    isVatIdOf(country, customer.taxId)
  if (tax.reverseCharge && isBusiness && sellsWithinEu(seller.country, country))
    return { rate: '0', country, reason: 'reverse_charge' }
  const ofCountry = tax.rates.filter((row) => row.country === country)
  const found =
    ofCountry.find(({ region }) => region !== undefined && region === customer.region) ??
    ofCountry.find(({ region }) => region === undefined)
  return found ? { rate: found.rate, country, reason: 'standard' } : null
}

/** Lines with their tax, and the sums of an invoice. Minor units. */
export interface Taxed {
  lines: InvoiceLine[]
  taxes: TaxLine[]
  /** Without tax. */
  subtotal: bigint
  tax: bigint
  /** `subtotal + tax`; below 0 where the lines are. */
  sum: bigint
}

/**
 * Tax of the sum of the lines, rounded once, and spread over them so that the parts sum to it.
 *
 * @param included whether the amounts of the lines have the tax in them
 */
export function withTax(lines: readonly InvoiceLine[], rule: TaxRule, included: boolean): Taxed {
  const amounts = lines.map(({ amount }) => BigInt(amount))
  const priced = amounts.reduce((sum, amount) => sum + amount, 0n)
  const tax = rule === null ? 0n : taxOf(priced, rateOf(rule.rate), included)
  const parts = allocate(tax, amounts)
  const subtotal = included ? priced - tax : priced
  return {
    ...{ subtotal, tax, sum: subtotal + tax },
    lines: lines.map((line, position) => ({
      ...line,
      ...{ tax: Number(parts[position]), rate: rule?.rate ?? null },
    })),
    taxes: rule === null ? [] : [{ ...rule, net: Number(subtotal), tax: Number(tax) }],
  }
}

function taxOf(priced: bigint, { units, scale }: Decimal, included: boolean): bigint {
  const whole = 100n * 10n ** BigInt(scale)
  return divideRounded(priced * units, included ? whole + units : whole)
}

const rateOf = (rate: string): Decimal => invariant(parseDecimal(rate), `tax rate ${rate}`)
