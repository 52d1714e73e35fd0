import { readFileSync } from 'node:fs'
import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { connect } from '#db/client'
import { createLogger } from '#infra/logger'

/** The jobs of a month's end, one after another, as the role `cron` runs them. */
export interface BillingReport {
  seconds: { renewal: number; generation: number; finalization: number }
  opened: number
  drafted: number
  finalized: number
  /** The most that was resident. */
  peakMb: number
}

const { url, now: at } = JSON.parse(process.argv[2] ?? '{}') as { url: string; now: string }
const now = new Date(at)
const { renewals, invoicing, finalization } = buildContainer({
  config: readConfig(),
  database: connect({ url }),
  logger: createLogger('silent'),
  secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32)] },
  gatewayAdminUrls: [],
})

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const began = performance.now()
  const result = await work()
  return [result, (performance.now() - began) / 1_000]
}

const [{ opened }, renewal] = await timed(() => renewals.renewDue(now))
await invoicing.closePeriods(now)
const [{ drafted }, generation] = await timed(() => invoicing.generate(now))
const [{ finalized }, finalizing] = await timed(() => finalization.finalizeAll(now))
const status = readFileSync('/proc/self/status', 'utf8')

process.on('disconnect', () => process.exit(0))
process.send?.({
  seconds: { renewal, generation, finalization: finalizing },
  ...{ opened, drafted, finalized },
  peakMb: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024,
} satisfies BillingReport)
