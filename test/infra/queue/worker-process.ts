import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { connect } from '#db/client'
import { createLogger } from '#infra/logger'
import { Discard, defineEvent, Worker } from '#infra/queue'

/** A worker in a process of its own, to be killed or stopped by a test. */
export interface WorkerProcessPlan {
  url: string
  leaseMs: number
  maxAttempts: number
  /**
   * `count`: adds `n` to a sum, once for each event, and fails the first two attempts after that.
   * `exit`: ends the process at n = 13. `hold`: waits until a row in `gate` lets it go on, then fails
   * for n = 1 and gives the event up for n = 2.
   */
  handler: 'count' | 'exit' | 'hold'
}

const plan: WorkerProcessPlan = JSON.parse(process.argv[2] ?? '{}')
const database = connect({ url: plan.url, maxConnections: 6, applicationName: 'worker' })
const thingHappened = defineEvent('thing.happened', z.object({ n: z.int() }))
const { sql } = database

const handlers = {
  async count(n: number, eventId: string, attempts: number) {
    await sql.begin(async (tx) => {
      const first = await tx`insert into processed values (${eventId}) on conflict do nothing`
      if (first.count === 1) await tx`update total set sum = sum + ${n}`
    })
    if (attempts < 3) throw new Error('delivered, but not well')
  },
  async exit(n: number, eventId: string) {
    if (n === 13) process.exit(1)
    await sql`insert into processed values (${eventId}) on conflict do nothing`
  },
  async hold(n: number, eventId: string) {
    await sql`insert into processed values (${eventId})`
    while ((await sql`select from gate`).length === 0) await sleep(10)
    if (n === 1) throw new Error('too late')
    if (n === 2) throw new Discard('too late')
  },
}

const worker = new Worker({
  ...{ database, logger: createLogger('silent'), leaseMs: plan.leaseMs, pollMs: 50 },
  random: () => 0,
}).on(thingHappened, ({ n }, { event }) => handlers[plan.handler](n, event.id, event.attempts), {
  retry: { baseMs: 0, capMs: 0, maxAttempts: plan.maxAttempts },
})

if (plan.handler === 'hold') {
  const { lost, done, retried, dead } = await worker.runOnce()
  process.stdout.write(JSON.stringify({ lost, settled: done + retried + dead }))
  process.exit(0)
}
await worker.start()
