import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PricingFileError, readPricingFile } from '#modules/pricing'
import { parsePricing } from '../../../src/modules/pricing/pricing-file'
import { MISTAKES_OF_PLANS, MISTAKES_OF_SECTIONS } from './pricing-mistakes'

const GOOD = `version: 1
currencies: [EUR, USD]
defaults:
  currency: EUR
  billingCycle: monthly
  billableStatuses:
    - { from: 200, to: 399 }
planTemplates:
  free:
    name: Free
    type: free
    quota: { limit: 1000, hard: true }
  pro:
    name: Pro
    type: flat
    flatFee: 2900
    quota: { limit: 100000, hard: false, overageRate: "0.05" }
`

function mistakesOf(text: string): string[] {
  try {
    parsePricing(text, 'pricing.yaml')
  } catch (error) {
    if (error instanceof PricingFileError) return error.mistakes
    throw error
  }
  return []
}

/** The good file with one passage changed; the passage must be there. */
function changed(passage: string, to: string): string {
  expect(GOOD).toContain(passage)
  return GOOD.replace(passage, to)
}

test('the file the tables start from is right, and so is the one that ships', () => {
  expect(mistakesOf(GOOD)).toEqual([])
  expect(mistakesOf(readFileSync('pricing.yaml', 'utf8'))).toEqual([])
  const { planTemplates, ...settings } = readPricingFile('pricing.yaml')
  expect(Object.keys(planTemplates)).toEqual([
    ...['free', 'pro', 'starter', 'pay-as-you-go', 'business'],
  ])
  // What it writes out is what is there without it.
  const { currencies, planTemplates: _, ...defaults } = parsePricing(GOOD, 'f')
  expect(settings).toEqual({ ...defaults, currencies: ['EUR', 'USD', 'GBP'] })
  expect(currencies).toEqual(['EUR', 'USD'])
})

test('what is left out gets its default', () => {
  expect(parsePricing(GOOD, 'f').planTemplates.free).toEqual({
    ...{ name: 'Free', type: 'free', flatFee: 0, flatFeeTiming: 'advance', charges: [] },
    ...{ minimumFee: null, maximumFee: null, trial: null, rateLimits: [] },
    ...{ quota: { limit: 1000, hard: true }, operationWeights: [], rotateKeysAfterDays: null },
  })
  expect(parsePricing(GOOD, 'f')).toMatchObject({
    defaults: { prorationMode: 'time', refundPolicy: 'none' },
    seller: { name: 'Veil', address: [] },
    tax: { mode: 'exclusive', rates: [], reverseCharge: true },
    dunning: {
      ...{ retryDays: [0, 2, 7, 14, 21], rateLimitPercentAfterDays: { 7: 50 } },
      ...{ suspendAfterDays: 14, cancelAfterDays: 30 },
    },
    platformFee: { percent: '10' },
    invoice: { graceMinutes: 60, dueDays: 14, numberPrefix: 'VEIL-', reminderDaysBefore: 3 },
    promotions: {},
  })
})

describe('each mistake is refused with its line and its path', () => {
  test.each<[string, string, string, string]>([
    [
      'an unknown key',
      '    type: flat',
      '    type: flat\n    colour: red',
      'line 16: planTemplates.pro.colour',
    ],
    ['an unknown key at the top', 'version: 1', 'version: 1\nplans: {}', 'line 2: plans'],
    ['a negative fee', 'flatFee: 2900', 'flatFee: -1', 'line 16: planTemplates.pro.flatFee'],
    [
      'a fraction of a cent as fee',
      'flatFee: 2900',
      'flatFee: 29.5',
      'line 16: planTemplates.pro.flatFee',
    ],
    [
      'a fee beyond exact numbers',
      'flatFee: 2900',
      'flatFee: 9007199254740993',
      'line 16: planTemplates.pro.flatFee',
    ],
    [
      'a flat plan without fee',
      'flatFee: 2900',
      'flatFee: 0',
      'line 16: planTemplates.pro.flatFee',
    ],
    [
      'a free plan with a fee',
      '    type: free',
      '    type: free\n    flatFee: 1',
      'line 12: planTemplates.free.flatFee',
    ],
    [
      'a free plan with overage',
      'limit: 1000, hard: true',
      'limit: 1000, hard: false, overageRate: "1"',
      'line 12: planTemplates.free.quota.overageRate',
    ],
    [
      'an unknown currency',
      '    type: flat',
      '    type: flat\n    currency: GBP',
      'line 16: planTemplates.pro.currency',
    ],
    [
      'a default currency that is not sold in',
      'currency: EUR',
      'currency: JPY',
      'line 4: defaults.currency',
    ],
    ['a currency that is no code', '[EUR, USD]', '[EUR, euro]', 'line 2: currencies.1'],
    ['no currency at all', '[EUR, USD]', '[]', 'line 2: currencies'],
    [
      'a hard quota with overage',
      'limit: 1000, hard: true',
      'limit: 1000, hard: true, overageRate: "1"',
      'line 12: planTemplates.free.quota.overageRate',
    ],
    [
      'a rate that is a number',
      'overageRate: "0.05"',
      'overageRate: 0.05',
      'line 17: planTemplates.pro.quota.overageRate',
    ],
    [
      'a rate with 13 places',
      'overageRate: "0.05"',
      'overageRate: "0.0000000000001"',
      'line 17: planTemplates.pro.quota.overageRate',
    ],
    [
      'a negative rate',
      'overageRate: "0.05"',
      'overageRate: "-1"',
      'line 17: planTemplates.pro.quota.overageRate',
    ],
    ['a quota of nothing', 'limit: 1000,', 'limit: 0,', 'line 12: planTemplates.free.quota.limit'],
    [
      'a quota that is a text',
      'limit: 1000,',
      'limit: many,',
      'line 12: planTemplates.free.quota.limit',
    ],
    [
      'a reversed range',
      '{ from: 200, to: 399 }',
      '{ from: 400, to: 399 }',
      'line 7: defaults.billableStatuses.0.to',
    ],
    [
      'a status that is none',
      '{ from: 200, to: 399 }',
      '{ from: 99, to: 399 }',
      'line 7: defaults.billableStatuses.0.from',
    ],
    [
      'nothing billable',
      '\n    - { from: 200, to: 399 }',
      ' []',
      'line 6: defaults.billableStatuses',
    ],
    [
      'a cycle we do not have',
      'billingCycle: monthly',
      'billingCycle: fortnightly',
      'line 5: defaults.billingCycle',
    ],
    [
      'a type we do not have',
      '    type: flat',
      '    type: gold',
      'line 15: planTemplates.pro.type',
    ],
    ['a template without name', '    name: Pro\n', '', 'planTemplates.pro.name'],
    ['a template with a bad slug', '  pro:', '  Pro Plan:', 'planTemplates.Pro Plan'],
    [
      'a rate limit without window',
      '    type: flat',
      '    type: flat\n    rateLimits: [{ per: key, limit: 1 }]',
      'line 16: planTemplates.pro.rateLimits.0.window',
    ],
    ...MISTAKES_OF_PLANS.map(([name, terms, expected]): [string, string, string, string] => [
      name,
      '    type: flat\n    flatFee: 2900\n    quota: { limit: 100000, hard: false, overageRate: "0.05" }',
      terms,
      `line ${expected}`,
    ]),
    ...MISTAKES_OF_SECTIONS.map(([name, section, expected]): [string, string, string, string] => [
      name,
      'version: 1\n',
      `version: 1\n${section}\n`,
      `line ${expected}`,
    ]),
    ['a currency that is none', '[EUR, USD]', '[EUR, XYZ]', 'line 2: currencies.1'],
    ['two plans of one name', '  pro:', '  free:', 'line 13: '],
    ['another version', 'version: 1', 'version: 2', 'line 1: version'],
    ['no version', 'version: 1\n', '', 'line 1: version'],
    ['a list for a map', 'planTemplates:', 'planTemplates: []\nrest:', 'line 8: planTemplates'],
    ['a key twice', '    name: Pro', '    name: Pro\n    name: Max', 'line 15: '],
    ['bad YAML', 'currencies: [EUR, USD]', 'currencies: [EUR, USD', 'line 3: '],
    ['a tab for indentation', '    name: Pro', '\tname: Pro', 'line 14: '],
    ['two documents', 'version: 1', 'version: 1\n---\nversion: 1', 'line 2: '],
  ])('%s', (_name, passage, to, expected) => {
    const mistakes = mistakesOf(changed(passage, to))
    expect(mistakes.join('\n')).toContain(expected)
    for (const mistake of mistakes) expect(mistake).toMatch(/^line \d+: ./)
  })

  test.each(['', '# nothing', 'null', '[]', 'text', '- 1'])('%j is no pricing file', (text) => {
    expect(mistakesOf(text).length).toBeGreaterThan(0)
  })

  test('an alias of nothing, and aliases that grow without end', () => {
    expect(mistakesOf(changed('currency: EUR', 'currency: *nowhere'))).toHaveLength(1)
    const levels = Array.from({ length: 12 }, (_, n) => {
      const items = n === 0 ? 'x' : Array.from({ length: 9 }, () => `*a${n - 1}`).join(', ')
      return `a${n}: &a${n} [${items}]`
    })
    expect(mistakesOf(levels.join('\n')).length).toBeGreaterThan(0)
  })

  test('all mistakes at once, each on a line of the message', () => {
    const twice = changed('flatFee: 2900', 'flatFee: -1').replace('version: 1', 'version: 9')
    expect(mistakesOf(twice).length).toBeGreaterThanOrEqual(2)
    expect(() => parsePricing(twice, 'prices.yaml')).toThrow(
      /^prices\.yaml is wrong:\n {2}- line 1/,
    )
  })
})

test('a file that cannot be read is named', () => {
  expect(() => readPricingFile('/nowhere/pricing.yaml')).toThrow(
    /\/nowhere\/pricing\.yaml.*\n.*ENOENT/,
  )
})
