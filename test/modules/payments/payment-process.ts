import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { connect } from '#db/client'
import { createLogger } from '#infra/logger'

/** Collects one invoice in a process of its own that dies at its FAILPOINT. */
export interface PaymentPlan {
  databaseUrl: string
  invoiceId: `inv_${string}`
}

const plan: PaymentPlan = JSON.parse(process.argv[2] ?? '{}')
const { collection } = buildContainer({
  config: readConfig(),
  database: connect({ url: plan.databaseUrl, maxConnections: 4, applicationName: 'payment' }),
  logger: createLogger('silent'),
  secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32)] },
  gatewayAdminUrls: [],
})
const payment = await collection?.collect(plan.invoiceId)
process.stdout.write(payment?.status ?? 'none')
process.exit(0)
