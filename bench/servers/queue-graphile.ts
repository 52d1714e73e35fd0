import { Logger, makeWorkerUtils, type Runner, run } from 'graphile-worker'
import { inChunks, serveQueue } from '../support/queue-contender.ts'

const { url } = JSON.parse(process.argv[2] ?? '{}') as { url: string }
const logger = new Logger(() => () => undefined)
const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize: 20, logger })
await utils.migrate()
const payload = (n: number) => ({ n, text: 'a small payload of a usual event' })
let live: Runner | null = null

const start = (taskList: Record<string, (payload: unknown) => Promise<void>>) =>
  run({
    connectionString: url,
    noHandleSignals: true,
    taskList,
    preset: {
      worker: {
        logger,
        concurrentJobs: 24,
        maxPoolSize: 20,
        localQueue: { size: 1_000 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  })

serveQueue({
  fill: (count) =>
    inChunks(count, 1_000, (numbers) =>
      utils.addJobs(numbers.map((n) => ({ identifier: 'bench', payload: payload(n) }))),
    ),
  async drain(count) {
    const done = Promise.withResolvers<void>()
    let handled = 0
    const runner = await start({
      bench: async () => {
        if (++handled === count) done.resolve()
      },
    })
    await done.promise
    await runner.stop()
  },
  enqueue: () => utils.addJob('bench', payload(1)),
  async listen(onStart) {
    live = await start({ live: async (data) => onStart((data as { n: number }).n) })
  },
  enqueueNumber: (n) => utils.addJob('live', payload(n)),
  unlisten: async () => live?.stop(),
})
