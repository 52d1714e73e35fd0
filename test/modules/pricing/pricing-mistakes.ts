/** In place of all but the name of `pro`, which stands in line 14; what is wrong, with its line and path. */
export const MISTAKES_OF_PLANS: [string, string, string][] = [
  [
    'tiers that overlap',
    `    type: usage_based
    charges:
      - model: graduated
        tiers:
          - { upTo: 100, unitRate: "2" }
          - { upTo: 100, unitRate: "1" }
          - { unitRate: "0.5" }`,
    '20: planTemplates.pro.charges.0.tiers.1.upTo: tiers overlap: it must be above 100',
  ],
  [
    'tiers that end',
    `    type: usage_based
    charges: [{ model: volume, tiers: [{ upTo: 100, unitRate: "2" }] }]`,
    '16: planTemplates.pro.charges.0.tiers.0.upTo: the last tier must have no end',
  ],
  [
    'a tier behind the open one',
    `    type: usage_based
    charges: [{ model: volume, tiers: [{ unitRate: "2" }, { unitRate: "1" }] }]`,
    '16: planTemplates.pro.charges.0.tiers.0.upTo: only the last tier may have no end',
  ],
  [
    'a negative price per unit',
    '    type: usage_based\n    charges: [{ model: per_unit, unitRate: "-1" }]',
    '16: planTemplates.pro.charges.0.unitRate',
  ],
  [
    'a negative price of a package',
    '    type: usage_based\n    charges: [{ model: package, packageSize: 10, packagePrice: -5 }]',
    '16: planTemplates.pro.charges.0.packagePrice',
  ],
  [
    'a package of nothing',
    '    type: usage_based\n    charges: [{ model: package, packageSize: 0, packagePrice: 5 }]',
    '16: planTemplates.pro.charges.0.packageSize',
  ],
  [
    'a model that there is not',
    '    type: usage_based\n    charges: [{ model: stairs, unitRate: "1" }]',
    '16: planTemplates.pro.charges.0.model',
  ],
  ['a usage-based plan without charge', '    type: usage_based', '14: planTemplates.pro.charges'],
  [
    'a usage-based plan with a fee',
    '    type: usage_based\n    flatFee: 1\n    charges: [{ model: per_unit, unitRate: "1" }]',
    '16: planTemplates.pro.flatFee',
  ],
  [
    'a hybrid plan without charge',
    '    type: hybrid\n    flatFee: 1',
    '14: planTemplates.pro.charges',
  ],
  [
    'a hybrid plan without fee',
    '    type: hybrid\n    charges: [{ model: per_unit, unitRate: "1" }]',
    '14: planTemplates.pro.flatFee',
  ],
  [
    'a flat plan with charges',
    '    type: flat\n    flatFee: 1\n    charges: [{ model: per_unit, unitRate: "1" }]',
    '17: planTemplates.pro.charges: a flat plan has no charges for use: make it hybrid',
  ],
  [
    'a freemium plan with a fee',
    '    type: freemium\n    flatFee: 1\n    charges: [{ model: per_unit, unitRate: "1", freeUnits: 5 }]',
    '16: planTemplates.pro.flatFee',
  ],
  ['a freemium plan that stays free', '    type: freemium', '14: planTemplates.pro.charges'],
  [
    'a freemium plan with nothing free',
    '    type: freemium\n    charges: [{ model: per_unit, unitRate: "1" }]',
    '16: planTemplates.pro.charges: each charge of a freemium plan needs free units',
  ],
  [
    'a freemium plan with a minimum',
    '    type: freemium\n    minimumFee: 5\n    charges: [{ model: per_unit, unitRate: "1", freeUnits: 5 }]',
    '16: planTemplates.pro.minimumFee',
  ],
  [
    'a free plan with a trial',
    '    type: free\n    trial: { days: 5 }',
    '16: planTemplates.pro.trial',
  ],
  [
    'a free plan with charges',
    '    type: free\n    charges: [{ model: per_unit, unitRate: "1" }]',
    '16: planTemplates.pro.charges',
  ],
  [
    'use priced twice',
    `    type: hybrid
    flatFee: 1
    charges: [{ model: per_unit, unitRate: "1" }]
    quota: { limit: 5, hard: false, overageRate: "1" }`,
    '18: planTemplates.pro.quota.overageRate',
  ],
  [
    'a minimum of no price',
    '    type: flat\n    flatFee: 1\n    minimumFee: 5',
    '17: planTemplates.pro.minimumFee',
  ],
  [
    'a maximum of no price',
    '    type: flat\n    flatFee: 1\n    maximumFee: 5',
    '17: planTemplates.pro.maximumFee',
  ],
  [
    'a maximum below the minimum',
    `    type: usage_based
    minimumFee: 5
    maximumFee: 4
    charges: [{ model: per_unit, unitRate: "1" }]`,
    '17: planTemplates.pro.maximumFee: must not be below `minimumFee`',
  ],
  [
    'an operation that is none',
    '    type: flat\n    flatFee: 1\n    operationWeights: [{ operation: images, units: 5 }]',
    '17: planTemplates.pro.operationWeights.0.operation',
  ],
  [
    'a mode of proration that there is not',
    '    type: flat\n    flatFee: 1\n    prorationMode: fair',
    '17: planTemplates.pro.prorationMode',
  ],
]

/** Put in as line 2 and following. */
export const MISTAKES_OF_SECTIONS: [string, string, string][] = [
  [
    'a country with two rates',
    'tax:\n  rates:\n    - { country: DE, rate: "19" }\n    - { country: DE, rate: "7" }',
    '5: tax.rates.1: DE has a rate already',
  ],
  ['a tax above all', 'tax: { rates: [{ country: DE, rate: "101" }] }', '2: tax.rates.0.rate'],
  ['a tax as a number', 'tax: { rates: [{ country: DE, rate: 19 }] }', '2: tax.rates.0.rate'],
  ['a country in words', 'seller: { country: Germany }', '2: seller.country'],
  ['a seller without address', 'seller: { email: nobody }', '2: seller.email'],
  ['retries that go back', 'dunning: { retryDays: [0, 7, 2] }', '2: dunning.retryDays'],
  [
    'an end before the suspension',
    'dunning: { suspendAfterDays: 30, cancelAfterDays: 14 }',
    '2: dunning.cancelAfterDays',
  ],
  [
    'a limit of nothing',
    'dunning: { rateLimitPercentAfterDays: { 7: 0 } }',
    '2: dunning.rateLimitPercentAfterDays.7',
  ],
  ['a fee of more than all', 'platformFee: { percent: "110" }', '2: platformFee.percent'],
  ['a grace of days gone by', 'invoice: { graceMinutes: -1 }', '2: invoice.graceMinutes'],
  ['a prefix with spaces', 'invoice: { numberPrefix: "No. " }', '2: invoice.numberPrefix'],
  ['a section that there is not', 'discounts: {}', '2: discounts'],
  [
    'a promotion of more than all',
    'promotions:\n  SPRING: { type: percentage, value: "101" }',
    '3: promotions.SPRING.value: must be above 0 and at most 100 percent',
  ],
  [
    'a promotion of nothing',
    'promotions:\n  SPRING: { type: percentage, value: "0" }',
    '3: promotions.SPRING.value',
  ],
  [
    'a promotion without value',
    'promotions:\n  SPRING: { type: free_units }',
    '3: promotions.SPRING.value',
  ],
  [
    'a fraction of a cent off',
    'promotions:\n  SPRING: { type: fixed, currency: EUR, value: "0.5" }',
    '3: promotions.SPRING.value',
  ],
  [
    'an amount off without currency',
    'promotions:\n  SPRING: { type: fixed, value: "500" }',
    '3: promotions.SPRING.currency',
  ],
  [
    'an amount off in what is not sold in',
    'promotions:\n  SPRING: { type: fixed, value: "500", currency: GBP }',
    '3: promotions.SPRING.currency',
  ],
  [
    'a trial of years',
    'promotions:\n  SPRING: { type: free_trial, value: "366" }',
    '3: promotions.SPRING.value',
  ],
  [
    'a trial of cycles',
    'promotions:\n  SPRING: { type: free_trial, value: "30", cycles: 2 }',
    '3: promotions.SPRING.cycles',
  ],
  [
    'an upgrade to nothing',
    'promotions:\n  SPRING: { type: tier_upgrade }',
    '3: promotions.SPRING.upgradeTo',
  ],
  [
    'an upgrade with a value',
    'promotions:\n  SPRING: { type: tier_upgrade, upgradeTo: pro, value: "1" }',
    '3: promotions.SPRING.value',
  ],
  [
    'a percentage with a plan',
    'promotions:\n  SPRING: { type: percentage, upgradeTo: pro, value: "1" }',
    '3: promotions.SPRING.upgradeTo',
  ],
  [
    'a promotion that ends before it begins',
    'promotions:\n  SPRING: { type: percentage, value: "1", startsAt: 2030-02-01, endsAt: 2030-01-01 }',
    '3: promotions.SPRING.endsAt',
  ],
  [
    'a day that is none',
    'promotions:\n  SPRING: { type: percentage, value: "1", startsAt: soon }',
    '3: promotions.SPRING.startsAt',
  ],
  [
    'a code in small letters',
    'promotions:\n  spring: { type: percentage, value: "1" }',
    '3: promotions.spring',
  ],
  [
    'a code twice',
    'promotions:\n  A1: { type: percentage, value: "1" }\n  A1: { type: percentage, value: "1" }',
    '4: ',
  ],
]
