import { z } from 'zod'
import { connect } from '../../src/db/client.ts'
import { migrate } from '../../src/db/migrate.ts'
import { systemClock } from '../../src/infra/clock/index.ts'
import { createLogger } from '../../src/infra/logger/index.ts'
import { defineEvent, publish, publishMany, Worker } from '../../src/infra/queue/index.ts'
import { inChunks, serveQueue } from '../support/queue-contender.ts'

const { url } = JSON.parse(process.argv[2] ?? '{}') as { url: string }
await migrate(url, systemClock)
const database = connect({ url, maxConnections: 20 })
const logger = createLogger('error')
const shape = z.object({ n: z.int(), text: z.string() })
const benchRun = defineEvent('bench.run', shape)
const benchLive = defineEvent('bench.live', shape)
const payload = (n: number) => ({ n, text: 'a small payload of a usual event' })
let worker: Worker | null = null

serveQueue({
  fill: (count) =>
    inChunks(count, 1_000, (numbers) =>
      publishMany(
        database.db,
        benchRun,
        numbers.map((n) => ({ payload: payload(n) })),
      ),
    ),
  async drain(count) {
    const done = Promise.withResolvers<void>()
    let handled = 0
    const draining = new Worker({ database, logger }).on(benchRun, async () => {
      if (++handled === count) done.resolve()
    })
    await draining.start()
    await done.promise
    await draining.stop()
  },
  enqueue: () => publish(database.db, benchRun, payload(1)),
  async listen(onStart) {
    worker = new Worker({ database, logger }).on(benchLive, async ({ n }) => onStart(n))
    await worker.start()
  },
  enqueueNumber: (n) => publish(database.db, benchLive, payload(n)),
  unlisten: async () => worker?.stop(),
})
