// `npm run pricing -- check [file]`: is the file right, and what would it change of what is in force?
// Exit code 1 when it is wrong; nothing is applied.
import { readConfig } from '#app/config'
import { PricingFileError, pricingDiff, readInForce, readPricingFile } from '#modules/pricing'

function main([command, given, ...rest]: string[]): number {
  if (command !== 'check' || rest.length > 0) {
    console.error('Usage: npm run pricing -- check [file]')
    return 1
  }
  const { pricingFile, dataDir } = readConfig()
  const file = given ?? pricingFile
  try {
    console.log(
      [`${file} is right.`, ...changes(readInForce(dataDir), readPricingFile(file))].join('\n'),
    )
    return 0
  } catch (error) {
    if (!(error instanceof PricingFileError)) throw error
    console.error(error.message)
    return 1
  }
}

function changes(inForce: unknown, pricing: unknown): string[] {
  if (inForce === null) return ['Nothing was put in force here yet.']
  const lines = pricingDiff(inForce, pricing)
  return lines.length === 0 ? ['It is what is in force.'] : ['It would change:', ...lines]
}

process.exit(main(process.argv.slice(2)))
