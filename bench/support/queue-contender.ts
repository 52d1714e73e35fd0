/** What every queue under test can do; each runs in a process and a database of its own. */
export interface QueueContender {
  /** Adds jobs in bulk, fast; not measured. */
  fill(count: number): Promise<void>
  /** Runs a worker with a handler that does nothing until it has been called `count` times. */
  drain(count: number): Promise<void>
  /** Adds one small job and commits. */
  enqueue(): Promise<unknown>
  /** Starts a worker whose handler calls `onStart` with what was enqueued. */
  listen(onStart: (n: number) => void): Promise<void>
  enqueueNumber(n: number): Promise<unknown>
  /** Ends that worker. */
  unlisten(): Promise<void>
}

export type QueueOrder =
  | { task: 'fill'; count: number }
  | { task: 'drain'; count: number }
  | { task: 'enqueue'; clients: number; durationMs: number }
  | { task: 'latency'; count: number; gapMs: number }

/** Seconds of a drain, jobs per second of enqueueing, milliseconds of each start. */
export interface QueueAnswer {
  values: number[]
}

/** Serves the orders of the bench over messages of the process. */
export function serveQueue(contender: QueueContender): void {
  process.on('message', async (order: QueueOrder) => {
    process.send?.({ values: await carryOut(contender, order) } satisfies QueueAnswer)
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.({ values: [] } satisfies QueueAnswer)
}

async function carryOut(contender: QueueContender, order: QueueOrder): Promise<number[]> {
  if (order.task === 'enqueue') return [await enqueueRate(contender, order)]
  if (order.task === 'latency') return latencies(contender, order)
  const startedAt = performance.now()
  await contender[order.task](order.count)
  return [(performance.now() - startedAt) / 1_000]
}

async function enqueueRate(
  contender: QueueContender,
  { clients, durationMs }: { clients: number; durationMs: number },
): Promise<number> {
  const startedAt = performance.now()
  let count = 0
  const client = async () => {
    while (performance.now() - startedAt < durationMs) {
      await contender.enqueue()
      count++
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return (count / (performance.now() - startedAt)) * 1_000
}

async function latencies(
  contender: QueueContender,
  { count, gapMs }: { count: number; gapMs: number },
): Promise<number[]> {
  const enqueuedAt: number[] = []
  const values: number[] = []
  const done = Promise.withResolvers<void>()
  await contender.listen((n) => {
    values.push(performance.now() - (enqueuedAt[n] ?? Number.NaN))
    if (values.length === count) done.resolve()
  })
  for (let n = 0; n < count; n++) {
    enqueuedAt[n] = performance.now()
    await contender.enqueueNumber(n)
    await Bun.sleep(gapMs)
  }
  await done.promise
  await contender.unlisten()
  return values
}

/** Calls `add` for chunks of a count. */
export async function inChunks(
  count: number,
  size: number,
  add: (numbers: number[]) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < count; from += size) {
    await add(Array.from({ length: Math.min(size, count - from) }, (_, n) => from + n))
  }
}
