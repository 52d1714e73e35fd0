import { writeSync } from 'node:fs'
import { buildApp } from '#app/app'
import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { connect } from '#db/client'
import { createLogger } from '#infra/logger'

/** The REST API of a database and a Caddy, in a process of its own that dies at its FAILPOINT. */
export interface HttpPlan {
  databaseUrl: string
  adminUrl: string
  secrets: { secret: string; usageTokens: string[] }
}

const { databaseUrl: url, adminUrl, secrets }: HttpPlan = JSON.parse(process.argv[2] ?? '{}')
const container = buildContainer({
  config: readConfig(),
  database: connect({ url, maxConnections: 8, applicationName: 'http' }),
  logger: createLogger('silent'),
  secrets,
  gatewayAdminUrls: [adminUrl],
})
const app = buildApp(container).listen({ hostname: '127.0.0.1', port: 0 })
writeSync(1, `${app.server?.port}\n`)
