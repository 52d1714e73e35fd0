/** Decimal places of the minor unit, by ISO 4217; those of the ledger's currencies that are not 2. */
function minorDigits(currency: string): number {
  const { maximumFractionDigits } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
  }).resolvedOptions()
  return maximumFractionDigits ?? 2
}

/**
 * `EUR 1,234.50`: how an amount is written for people, everywhere. Exact for any number of digits.
 *
 * @param amount minor units
 * @param currency ISO 4217; its own minor unit counts, `JPY 1,234`
 */
export function moneyText(amount: bigint, currency: string): string {
  const digits = minorDigits(currency)
  const figures = (amount < 0n ? -amount : amount).toString().padStart(digits + 1, '0')
  const whole = figures.slice(0, figures.length - digits).replace(/\B(?=(\d{3})+$)/g, ',')
  const fraction = digits === 0 ? '' : `.${figures.slice(-digits)}`
  return `${currency} ${amount < 0n ? '-' : ''}${whole}${fraction}`
}
