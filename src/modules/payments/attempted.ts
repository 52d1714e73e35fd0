import type { Logger } from '#infra/logger'
import { ProviderUnclear } from './provider-trouble'

/**
 * One of many: what goes wrong with it is logged, and must not keep the others from their turn.
 * @param subjectId what it is about
 */
export async function attempted<T>(
  logger: Logger,
  subjectId: string,
  work: () => Promise<T>,
): Promise<T | 'unclear' | 'broken'> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ProviderUnclear) return 'unclear'
    logger.error({ err: error, subjectId }, 'payments.one-failed')
    return 'broken'
  }
}
