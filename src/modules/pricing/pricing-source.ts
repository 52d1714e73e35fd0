import { readFileSync } from 'node:fs'
import { type Pricing, PricingFileError, parsePricing } from './pricing-file'

/** The operator's file as it is in force: what it said when it was last right. */
export class PricingSource {
  private text: string
  private pricing: Pricing

  /** Throws a {@link PricingFileError}: nothing starts on a wrong file. */
  constructor(private readonly file: string) {
    this.text = readText(file)
    this.pricing = parsePricing(this.text, file)
  }

  current(): Pricing {
    return this.pricing
  }

  /**
   * Looks at the file again. Throws a {@link PricingFileError} once for each text that is wrong; what
   * was in force stays so.
   *
   * @returns whether something else is in force now
   */
  reload(): boolean {
    const text = readText(this.file)
    if (text === this.text) return false
    this.text = text
    this.pricing = parsePricing(text, this.file)
    return true
  }
}

export const readPricingFile = (file: string): Pricing => parsePricing(readText(file), file)

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PricingFileError(file, [`cannot be read: ${(error as Error).message}`])
  }
}
