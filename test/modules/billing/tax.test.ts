import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { InvoiceLine } from '#db/schema/billing'
import { ruleFor, type TaxCustomer, withTax } from '../../../src/modules/billing/tax'
import { isVatIdOf } from '../../../src/modules/billing/vat-id'
import { SETTINGS } from './settings'

const line = (amount: number): InvoiceLine => ({
  ...{ code: 'flat_fee', description: 'Fee', quantity: 1, amount, tax: 0, rate: null },
  ...{ explain: '', source: { kind: 'manual' } },
})
const lines = (...amounts: number[]) => amounts.map(line)
const rule = (rate: string) => ({ rate, country: 'DE', reason: 'standard' as const })

describe('tax of an invoice', () => {
  // Worked by hand: rate, included?, amounts, tax of each line, net, tax.
  test.each<[string, boolean, number[], number[], number, number]>([
    ['19', false, [10_000], [1_900], 10_000, 1_900],
    ['19', false, [2_900, 150], [551, 29], 3_050, 580],
    // 3 × 0.19 = 0.57 → 1, and the first of equal remainders gets it.
    ['19', false, [1, 1, 1], [1, 0, 0], 3, 1],
    ['19', false, [50], [10], 50, 10],
    ['7.7', false, [1_000], [77], 1_000, 77],
    ['19', false, [-4_100], [-779], -4_100, -779],
    // 8,000 − 7,000: 190 in all, 1,520 and −1,330.
    ['19', false, [8_000, -7_000], [1_520, -1_330], 1_000, 190],
    ['19', false, [100, -100], [0, 0], 0, 0],
    ['0', false, [500], [0], 500, 0],
    ['19', true, [11_900], [1_900], 10_000, 1_900],
    // 100 × 19 / 119 = 15.97 → 16.
    ['19', true, [100], [16], 84, 16],
    ['20', true, [1, 1, 1], [1, 0, 0], 2, 1],
  ])('%s %%, included: %s, of %j', (rate, included, amounts, perLine, net, tax) => {
    const taxed = withTax(lines(...amounts), rule(rate), included)
    expect(taxed).toMatchObject({ subtotal: BigInt(net), tax: BigInt(tax), sum: BigInt(net + tax) })
    expect(taxed.lines.map((one) => one.tax)).toEqual(perLine)
    expect(taxed.taxes).toEqual([{ ...rule(rate), net, tax }])
  })

  test('without a rule there is none', () => {
    expect(withTax(lines(500), null, true)).toMatchObject({ subtotal: 500n, tax: 0n, taxes: [] })
  })

  test('the parts always sum to the whole', () => {
    const amounts = fc.array(fc.integer({ min: -100_000, max: 1_000_000 }), { maxLength: 12 })
    const rates = fc.constantFrom('0', '5.5', '7', '19', '25')
    fc.assert(
      fc.property(amounts, rates, fc.boolean(), (of, rate, included) => {
        const taxed = withTax(lines(...of), rule(rate), included)
        const parts = taxed.lines.reduce((sum, { tax }) => sum + tax, 0)
        const priced = of.reduce((sum, amount) => sum + amount, 0)
        expect(BigInt(parts)).toBe(taxed.tax)
        expect(taxed.sum).toBe(BigInt(priced) + (included ? 0n : taxed.tax))
      }),
    )
  })
})

describe('which tax', () => {
  const settings = {
    ...SETTINGS,
    seller: { ...SETTINGS.seller, country: 'DE' },
    tax: {
      ...SETTINGS.tax,
      rates: [
        { country: 'DE', rate: '19' },
        { country: 'FR', rate: '20' },
        { country: 'ES', rate: '21' },
        { country: 'ES', region: 'IC', rate: '7' },
      ],
    },
  }
  const customer = { country: null, region: null, taxId: null, taxIdConfirmed: null } as const
  const french = 'FR40303265045'
  test.each<[string, Partial<TaxCustomer>, string | null, string | null]>([
    ['an unknown customer: that of the seller', {}, '19', 'standard'],
    ['a consumer abroad: that of the country', { country: 'FR' }, '20', 'standard'],
    ['a region with a rate of its own', { country: 'ES', region: 'IC' }, '7', 'standard'],
    ['another region: that of the country', { country: 'ES', region: 'MD' }, '21', 'standard'],
    ['a country without a rate', { country: 'US' }, null, null],
    ['a business in another member state', { country: 'FR', taxId: french }, '0', 'reverse_charge'],
    ['a business at home', { country: 'DE', taxId: 'DE136695976' }, '19', 'standard'],
    ['an id with a wrong check digit', { country: 'FR', taxId: 'FR41303265045' }, '20', 'standard'],
    ['an id of another country', { country: 'ES', taxId: french }, '21', 'standard'],
    [
      'an id that VIES does not know',
      { country: 'FR', taxId: french, taxIdConfirmed: false },
      ...(['20', 'standard'] as const),
    ],
    ['an exempt customer', { country: 'DE', taxExempt: true }, '0', 'exempt'],
  ])('%s', (_name, of, rate, reason) => {
    const found = ruleFor({ ...customer, taxExempt: false, ...of }, settings)
    expect([found?.rate ?? null, found?.reason ?? null]).toEqual([rate, reason])
  })

  test('reverse charge can be switched off', () => {
    const off = { ...settings, tax: { ...settings.tax, reverseCharge: false } }
    const business = { ...customer, country: 'FR', taxId: french, taxExempt: false }
    expect(ruleFor(business, off)).toMatchObject({ rate: '20' })
  })
})

/** Published examples of each member state's authority, and each with its last digit changed. */
test.each([
  ...[
    ['AT', 'ATU13585627'],
    ['BE', 'BE0428759497'],
    ['DK', 'DK13585628'],
    ['ES', 'ESA13585625'],
  ],
  ...[
    ['FI', 'FI20774740'],
    ['GR', 'EL094259216'],
    ['HU', 'HU12892312'],
    ['IT', 'IT00743110157'],
  ],
  ...[
    ['LU', 'LU10000356'],
    ['PL', 'PL8567346215'],
    ['PT', 'PT501964843'],
    ['SI', 'SI15012557'],
  ],
  ...[
    ['SE', 'SE556188840401'],
    ['DE', 'DE136695976'],
    ['FR', 'FR40303265045'],
  ],
] as [string, string][])('%s: %s is a VAT id', (country, id) => {
  expect(isVatIdOf(country, id)).toBe(true)
  const position = country === 'SE' ? -3 : -1
  const digit = Number(id.at(position))
  const wrong = `${id.slice(0, position)}${(digit + 1) % 10}${id.slice(position).slice(1)}`
  expect(isVatIdOf(country, wrong)).toBe(false)
  expect(isVatIdOf('US', id)).toBe(false)
})
