import { PgBoss } from 'pg-boss'
import { inChunks, serveQueue } from '../support/queue-contender.ts'

const { url } = JSON.parse(process.argv[2] ?? '{}') as { url: string }
const boss = new PgBoss({ connectionString: url, max: 20, useListenNotify: true })
boss.on('error', () => undefined)
await boss.start()
const QUEUE = 'bench'
await boss.createQueue(QUEUE)
/** Told of by a notification, as its documentation advises for low latency. */
const LIVE = 'live'
await boss.createQueue(LIVE, { notify: true })
const payload = (n: number) => ({ n, text: 'a small payload of a usual event' })

serveQueue({
  fill: (count) =>
    inChunks(count, 1_000, (numbers) =>
      boss.insert(
        QUEUE,
        numbers.map((n) => ({ data: payload(n) })),
      ),
    ),
  async drain(count) {
    const done = Promise.withResolvers<void>()
    let handled = 0
    const options = {
      batchSize: 1_000,
      localConcurrency: 2,
      pollingIntervalSeconds: 0.5,
      burstWhenBatchFull: true,
    }
    await boss.work(QUEUE, options, async (jobs) => {
      handled += jobs.length
      if (handled === count) done.resolve()
    })
    await done.promise
    await boss.offWork(QUEUE)
  },
  enqueue: () => boss.send(QUEUE, payload(1)),
  async listen(onStart) {
    await boss.work<{ n: number }>(LIVE, { pollingIntervalSeconds: 0.5 }, async ([job]) => {
      if (job) onStart(job.data.n)
    })
  },
  enqueueNumber: (n) => boss.send(LIVE, payload(n)),
  unlisten: () => boss.offWork(LIVE),
})
