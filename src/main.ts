import { type Config, ConfigError, readConfig } from '#app/config'
import { Veil } from '#app/veil'
import { isWriteToLostConnection } from '#db/errors'
import { SetupError } from '#infra/embedded'
import { createLogger, type Logger } from '#infra/logger'
import { AppError } from '#lib/errors'
import { PricingFileError } from '#modules/pricing'
import { printError, printFirstAdmin, printProgress, printReady } from './terminal'

/** What the person who typed the command can mend, in plain words; null for a defect of ours. */
function explain(error: unknown): string | null {
  if (error instanceof SetupError) return `${sentence(error.message)}\n${error.mend}`
  const isPlain =
    error instanceof ConfigError || error instanceof PricingFileError || error instanceof AppError
  return isPlain ? error.message : null
}

const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`

/** Fulfilled at the first wish to end; later ones change nothing, npm repeats each Ctrl-C. */
function askedToEnd(): Promise<null> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => resolve(null))
  })
}

/**
 * Rejects with an exception that nobody caught: the process is then ended in good order, not torn
 * down. A promise that nobody waited for is logged and no more: what it was to write is in Postgres
 * or it is not, and the rest of the process is sound.
 */
function defects(logger: Logger): Promise<never> {
  const uncaught = new Promise<never>((_, reject) => {
    process.on('uncaughtException', (error) => {
      if (isWriteToLostConnection(error)) logger.warn({ err: error }, 'database.connection-lost')
      else reject(error)
    })
  })
  process.on('unhandledRejection', (error) =>
    logger.error({ err: error }, 'process.unhandled-rejection'),
  )
  uncaught.catch(() => undefined)
  return uncaught
}

async function run(config: Config, logger: Logger): Promise<void> {
  const veil = new Veil(config, logger, { progress: printProgress, firstAdmin: printFirstAdmin })
  const ends = [askedToEnd(), defects(logger), veil.broken]
  try {
    const milliseconds = await Promise.race([...ends, veil.start()])
    if (milliseconds === null) return
    printReady(config, milliseconds)
    await Promise.race(ends)
    printProgress('Stopping: requests in flight end first')
  } finally {
    await veil.stop()
  }
}

async function main(): Promise<number> {
  let logger: Logger | null = null
  // Whoever read our output may be gone, as with `npm start | head`.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  try {
    const config = readConfig()
    logger = createLogger(config.logLevel)
    await run(config, logger)
    return 0
  } catch (error) {
    const words = explain(error)
    if (words === null) (logger ?? createLogger('fatal')).fatal({ err: error }, 'veil.failed')
    printError(words ?? 'This is a defect of Veil; the log on standard error holds the details.')
    return 1
  }
}

process.exit(await main())
