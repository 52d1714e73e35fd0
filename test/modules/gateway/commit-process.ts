import { writeSync } from 'node:fs'
import { syncGateway } from '#app/background'
import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { connect } from '#db/client'
import { createLogger } from '#infra/logger'
import { type AtFailpoint, dieAt, type Failpoint } from '#lib/failpoint'
import { type Operation, perform, type Subject } from './operations'

/** One change, or a recovery, in a process of its own that dies at its FAILPOINT, or stops there. */
export interface CommitPlan {
  databaseUrl: string
  adminUrl: string
  operation: Operation | 'recover'
  subject: Subject
  /** Stopped (SIGSTOP) at the failpoint, and to be continued, where others die. */
  isStopped?: boolean
}

/** Says so, since nobody can ask a process that is stopped. */
const stopAt = (point: Failpoint | null): AtFailpoint => {
  let isDone = false
  return (reached) => {
    if (isDone || reached !== point) return
    isDone = true
    writeSync(1, 'stopped\n')
    process.kill(process.pid, 'SIGSTOP')
  }
}

const plan: CommitPlan = JSON.parse(process.argv[2] ?? '{}')
const { operation, subject } = plan
const config = readConfig()
const container = buildContainer({
  config,
  reached: (plan.isStopped ? stopAt : dieAt)(config.failpoint),
  database: connect({ url: plan.databaseUrl, maxConnections: 4, applicationName: 'commit' }),
  logger: createLogger('silent'),
  secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32)] },
  gatewayAdminUrls: [plan.adminUrl],
  pushPatienceMs: 100,
})

// What a user would see; a process that is killed shows nothing.
const work =
  operation === 'recover' ? syncGateway(container) : perform(container, operation, subject)
const shown = await work.catch((error: unknown) => ({ error: String(error) }))
process.stdout.write(JSON.stringify(shown))
process.exit(0)
