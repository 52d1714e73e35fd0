import type { Container } from '#app/container'
import { addQueue } from '#infra/queue'
import { addGateway } from '#modules/gateway'
import { addUsage } from '#modules/usage'

/**
 * What is in the database and so the same from every process; told by those with the role `cron`.
 * What only a process itself knows (its answers, its decisions, its event loop) every process tells.
 */
export function addDatabase({ metrics, database, queueStatistics }: Container): void {
  addQueue(metrics, queueStatistics)
  addGateway(metrics, database.db)
  addUsage(metrics, database.db)
}
