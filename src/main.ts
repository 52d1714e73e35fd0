import { ConfigError, readConfig } from '#app/config'
import { SetupError } from '#infra/embedded'
import { createLogger } from '#infra/logger'
import { PricingFileError } from '#modules/pricing'
import { printError, printProgress, printReady } from './terminal'
import { Veil } from './veil'

/** What the person who typed the command can mend; anything else is a defect of ours. */
function explain(error: unknown): string {
  if (error instanceof SetupError) return `${error.message}\n${error.mend}`
  if (error instanceof ConfigError || error instanceof PricingFileError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

async function main(): Promise<number> {
  const config = readConfig()
  const logger = createLogger(config.logLevel)
  const veil = new Veil(config, logger, printProgress)
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => resolve())
  })
  try {
    // Ctrl-C during a long first start must not leave children behind.
    const started = await Promise.race([veil.start(), asked.then(() => null)])
    if (started === null) return 0
    printReady(config, started)
    await Promise.race([asked, veil.broken])
    printProgress('Stopping: requests in flight end first')
    return 0
  } finally {
    await veil.stop()
  }
}

main().then(
  (code) => process.exit(code),
  (error) => {
    printError(explain(error))
    process.exit(1)
  },
)
