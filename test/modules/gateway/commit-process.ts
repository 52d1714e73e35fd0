import { writeSync } from 'node:fs'
import { syncGateway } from '#app/background'
import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { connect } from '#db/client'
import { createLogger } from '#infra/logger'
import type { Actor } from '#lib/access'
import { type AtFailpoint, dieAt, type Failpoint } from '#lib/failpoint'

/** One change, or a recovery, in a process of its own that dies at its FAILPOINT, or stops there. */
export interface CommitPlan {
  databaseUrl: string
  adminUrl: string
  operation: 'publish' | 'unpublish' | 'delete' | 'update' | 'create-key' | 'revoke-key' | 'recover'
  actorId: Actor['userId']
  /** The API, the subscription of the new key, or the key. */
  subjectId: string
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
const { operation, subjectId } = plan
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
const { catalog, keys } = container
const actor: Actor = { userId: plan.actorId, sessionId: 'ses_0', roles: ['provider', 'consumer'] }

const perform = {
  publish: () => catalog.publish(actor, subjectId),
  unpublish: () => catalog.unpublish(actor, subjectId),
  delete: () => catalog.delete(actor, subjectId),
  update: async () => {
    const { version } = await catalog.get(actor, subjectId)
    return catalog.update(actor, subjectId, version, { methods: ['GET', 'POST'] })
  },
  'create-key': () => keys.create(actor, { subscriptionId: subjectId, name: 'new' }),
  'revoke-key': () => keys.revoke(actor, subjectId),
  recover: () => syncGateway(container),
} as const

// What a user would see; a process that is killed shows nothing.
const shown = await perform[operation]().catch((error: unknown) => ({ error: String(error) }))
process.stdout.write(JSON.stringify(shown ?? {}))
process.exit(0)
