import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { connect } from '#db/client'
import { createLogger } from '#infra/logger'

/** Gives back what an invoice carried to the credit, in a process of its own that dies at its FAILPOINT. */
interface CreditRefundPlan {
  databaseUrl: string
  invoiceId: `inv_${string}`
}

const plan: CreditRefundPlan = JSON.parse(process.argv[2] ?? '{}')
const { creditRefunds } = buildContainer({
  config: readConfig(),
  database: connect({ url: plan.databaseUrl, maxConnections: 4, applicationName: 'refund' }),
  logger: createLogger('silent'),
  secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32)] },
  gatewayAdminUrls: [],
})
await creditRefunds.giveBack(plan.invoiceId)
process.exit(0)
