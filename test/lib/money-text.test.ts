import { expect, test } from 'vitest'
import { moneyText } from '#lib/money-text'

test.each<[bigint, string, string]>([
  [0n, 'EUR', 'EUR 0.00'],
  [5n, 'EUR', 'EUR 0.05'],
  [-5n, 'EUR', 'EUR -0.05'],
  [123_450n, 'EUR', 'EUR 1,234.50'],
  [99_999n, 'USD', 'USD 999.99'],
  [100_000n, 'USD', 'USD 1,000.00'],
  [1_234n, 'JPY', 'JPY 1,234'],
  [1_234n, 'KWD', 'KWD 1.234'],
  [-123_456_789_012_345_678_901n, 'EUR', 'EUR -1,234,567,890,123,456,789.01'],
])('%d minor units of %s are %s', (amount, currency, text) => {
  expect(moneyText(amount, currency)).toBe(text)
})
